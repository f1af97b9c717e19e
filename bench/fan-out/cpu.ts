import { readdirSync, readFileSync } from 'node:fs';
import type { Pool } from '../../infra/postgres.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';

/**
 * Where the CPU time of a contestant goes. `client` is the process that measures: it is what a plain pipeline runs in.
 */
export const PARTS = ['client', 'projector', 'redis', 'postgres', 'event store'] as const;
export type Part = (typeof PARTS)[number];
/** Seconds of CPU time. */
export type Cpu = Readonly<Record<Part, number>>;

/** Processes of a part; with their children, ended ones too, where one server is made of many processes. */
type Watched = { readonly pid: number; readonly family?: true };

// Linux counts in hundredths of a second, on all machines of today.
const TICKS_A_SECOND = 100;
const TICKS = { own: [11, 12], withEnded: [11, 12, 13, 14] } as const;
const PARENT = 1;

/**
 * Reads how much CPU time the servers have used so far; `projector` is counted once its process is told. Works on
 * Linux; elsewhere all is 0.
 */
export async function cpuMeter(
  { redis, models: { pool } }: { redis: RedisClient; models: { pool: Pool } },
  eventStore: number | undefined,
): Promise<(projector?: number) => Cpu> {
  const redisPid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
  const postmaster = Number(statOf(rows[0]?.pid ?? 0)[PARENT] ?? 0);
  return (projector) => ({
    client: secondsOf({ pid: process.pid }),
    projector: projector === undefined ? 0 : secondsOf({ pid: projector }),
    redis: secondsOf({ pid: redisPid }),
    postgres: secondsOf({ pid: postmaster, family: true }),
    'event store': eventStore === undefined ? 0 : secondsOf({ pid: eventStore }),
  });
}

/** What was used between two readings. */
export function usedBetween(before: Cpu, after: Cpu): Cpu {
  return mapped((part) => after[part] - before[part]);
}

/** A value for each part. */
export function mapped(valueOf: (part: Part) => number): Cpu {
  return {
    client: valueOf('client'),
    projector: valueOf('projector'),
    redis: valueOf('redis'),
    postgres: valueOf('postgres'),
    'event store': valueOf('event store'),
  };
}

function secondsOf({ pid, family }: Watched): number {
  const own = ticksOf(statOf(pid), family === true ? TICKS.withEnded : TICKS.own);
  const children = family === true ? childrenOf(pid).reduce((sum, stat) => sum + ticksOf(stat, TICKS.own), 0) : 0;
  return (own + children) / TICKS_A_SECOND;
}

const ticksOf = (stat: readonly string[], fields: readonly number[]) =>
  fields.reduce((sum, field) => sum + Number(stat[field] ?? 0), 0);

function childrenOf(pid: number): string[][] {
  return processIds()
    .map(statOf)
    .filter((stat) => stat[PARENT] === String(pid));
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** The fields of /proc/PID/stat behind the name, which may itself hold spaces; none of a process that is gone. */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
