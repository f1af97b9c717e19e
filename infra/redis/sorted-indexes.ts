import { Cluster } from 'ioredis';
import { z } from 'zod';
import { chunksByGroup, oneGroup, packedCalls, type Packed } from './call-packing.ts';
import { toFound, type IndexAnswers } from './index-answers.ts';
import { createFunctionCaller, type FunctionCaller } from './redis-functions.ts';
import { allServersOf, type RedisClient } from './redis.ts';
import type { Bound, Change, Computed, Found, SortedIndexes, Writer } from './sorted-index.ts';

const CALLS_UNDER_WAY = 4;

/** `answers` spares a reader of many indexes to read the same answers again. */
export type IndexesOptions = { readonly prefix: string; readonly buckets: number; readonly answers?: IndexAnswers };

/**
 * The indexes under one key prefix. Every key carries its bucket as the hash tag. On a single server one call carries
 * keys of all buckets; in a cluster each bucket has its own calls and its own registry of epochs.
 */
export function createSortedIndexes(client: RedisClient, { prefix, buckets, answers }: IndexesOptions): SortedIndexes {
  const call = createFunctionCaller(client);
  const clustered = client instanceof Cluster;
  const groups = clustered ? Array.from({ length: buckets }, (_, bucket) => String(bucket)) : [''];
  const routing: Routing = {
    call,
    groupOf: clustered ? tagOf : oneGroup,
    registryOf: (group) => `${prefix}lanes:{${group}}`,
    withheldOf: (kind, group) => `${prefix}withheld:${kind}:{${group}}`,
  };
  return {
    apply: (writers, bound, changes) => apply(routing, { writers, bound, changes }),
    newest: (keys, { limit, renewMs, renewBelowMs = renewMs }) => {
      const read = (key: string, answer: string | null) =>
        answers === undefined ? toFound(answer) : answers.found(`${String(limit)} ${key}`, answer);
      return newest({ ...routing, read }, { keys, args: [limit, renewMs, renewBelowMs] });
    },
    scan: (start) => scan(client, start),
    ...removing(client, routing, { prefix, groups }),
    ...leasing(routing, prefix),
    ...lanesOf(client, call, groups.map(routing.registryOf)),
  };
}

function removing(
  client: RedisClient,
  { call, groupOf, registryOf, withheldOf }: Routing,
  { prefix, groups }: { prefix: string; groups: readonly string[] },
): Pick<SortedIndexes, 'discard' | 'withhold' | 'permit'> {
  const inEachGroup = (name: string, writers: readonly Writer[], kind: string) =>
    Promise.all(groups.map((group) => call(name, [registryOf(group), withheldOf(kind, group)], epochsOf(writers))));
  const discard = async (writers: readonly Writer[], keys: readonly string[]) => {
    for (const [group, chunk] of chunksByGroup(keys, groupOf))
      await call('index_discard', [registryOf(group), ...chunk], epochsOf(writers));
  };
  return {
    discard,
    withhold: async (writers, kind, swept) => {
      const stands = (await inEachGroup('index_withhold', writers, kind)).every((added) => added === 0);
      if (swept && stands) return;
      for await (const keys of scan(client, `${prefix}${kind}:`)) await discard(writers, keys);
    },
    permit: async (writers, kind) => {
      await inEachGroup('index_permit', writers, kind);
    },
  };
}

const LeaseAnswer = z.enum(['taken', 'busy', 'present', 'withheld']);

function leasing(
  { call, groupOf, withheldOf }: Routing,
  prefix: string,
): Pick<SortedIndexes, 'lease' | 'fill' | 'release'> {
  return {
    lease: async (key, token, lifetimeMs) => {
      const kind = key.slice(prefix.length, key.indexOf(':', prefix.length));
      return LeaseAnswer.parse(await call('index_lease', [key, withheldOf(kind, groupOf(key))], [token, lifetimeMs]));
    },
    fill: async (key, token, computed, lifetimeMs) => {
      const entries = computed.entries.flatMap(({ id, score }) => [score, id]);
      return (await call('index_fill', [key], [token, lifetimeMs, ...floorOf(computed), ...entries])) === 1;
    },
    release: async (key, token) => {
      await call('index_release', [key], [token]);
    },
  };
}

function lanesOf(
  client: RedisClient,
  call: FunctionCaller,
  registries: readonly string[],
): Pick<SortedIndexes, 'takeOver' | 'mark' | 'marks'> {
  return {
    takeOver: async (lanes) => {
      const args = lanes.flatMap(({ lane, epoch, mark }) => [lane, epoch, mark]);
      await Promise.all(registries.map((registry) => call('lane_take_over', [registry], args)));
    },
    mark: async (moves) => {
      if (moves.length === 0) return 'marked';
      const args = moves.flatMap(({ lane, epoch, from, to }) => [lane, epoch, from, to]);
      const answers = await Promise.all(registries.map((registry) => call('lane_mark', [registry], args)));
      return answers.every((answer) => answer === 'marked') ? 'marked' : 'elsewhere';
    },
    marks: async (lanes) => {
      const fields = lanes.map((lane) => `${String(lane)}:mark`);
      return earliest(await Promise.all(registries.map((registry) => client.hmget(registry, ...fields))), lanes.length);
    },
  };
}

/** How keys come to the servers: which call carries which, and where the writers of a group are registered. */
type Routing = {
  readonly call: FunctionCaller;
  readonly groupOf: (key: string) => string;
  readonly registryOf: (group: string) => string;
  readonly withheldOf: (kind: string, group: string) => string;
};
type Work = { writers: readonly Writer[]; bound: Bound; changes: readonly Change[] };

const epochsOf = (writers: readonly Writer[]) => writers.flatMap(({ lane, epoch }) => [lane, epoch]);

async function apply(
  { call, groupOf, registryOf }: Routing,
  { writers, bound, changes }: Work,
): Promise<{ changed: number; incomplete: string[] }> {
  const head = [
    writers.length,
    ...epochsOf(writers),
    bound.entries,
    1 + bound.entries + Math.floor(bound.entries * bound.slack),
    bound.idleBelowMs ?? 0,
  ];
  const total: { changed: number; incomplete: string[] } = { changed: 0, incomplete: [] };
  const send = async (group: string, { keys, args }: Packed) => {
    const answer = z.array(z.int()).parse(await call('index_apply', [registryOf(group), ...keys], [...head, ...args]));
    const [changed = 0, ...incomplete] = answer;
    total.changed += changed;
    for (const index of incomplete) total.incomplete.push(keys[index - 1] ?? '');
  };
  const failures: unknown[] = [];
  const underWay = new Set<Promise<void>>();
  for (const [group, packed] of packedCalls(changes, groupOf)) {
    const sent: Promise<void> = send(group, packed)
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => underWay.delete(sent));
    underWay.add(sent);
    if (underWay.size >= CALLS_UNDER_WAY) await Promise.race(underWay);
    if (failures.length > 0) break;
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
  return total;
}

type Reading = Pick<Routing, 'call' | 'groupOf'> & { readonly read: (key: string, answer: string | null) => Found };

async function newest(
  { call, groupOf, read }: Reading,
  { keys, args }: { keys: readonly string[]; args: number[] },
): Promise<Found[]> {
  const found = new Map<string, Found>();
  await Promise.all(
    [...chunksByGroup(keys, groupOf)].map(async ([, chunk]) => {
      const answers = z.array(z.string().nullable()).parse(await call('index_newest', chunk, args));
      chunk.forEach((key, i) => found.set(key, read(key, answers[i] ?? null)));
    }),
  );
  return keys.map((key) => found.get(key) ?? { state: 'absent' });
}

async function* scan(client: RedisClient, start: string): AsyncGenerator<string[]> {
  const pattern = `${start.replaceAll(/[\\*?[\]^]/g, '\\$&')}*`;
  for (const server of allServersOf(client)) {
    let cursor = '0';
    do {
      const [next, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000);
      cursor = next;
      if (keys.length > 0) yield keys;
    } while (cursor !== '0');
  }
}

function floorOf({ entries, cut }: Computed): [score: number, member: string] {
  const last = entries.at(-1);
  return cut && last !== undefined ? [last.score, `!${last.id}`] : [0, '!'];
}

function tagOf(key: string): string {
  return key.slice(key.indexOf('{') + 1, key.indexOf('}'));
}

function earliest(answers: readonly (readonly (string | null)[])[], lanes: number): (string | undefined)[] {
  return Array.from({ length: lanes }, (_, lane) =>
    answers
      .map((answer) => answer[lane])
      .filter((position) => typeof position === 'string')
      .sort()
      .at(0),
  );
}
