import { once } from 'node:events';
import { z } from 'zod';
import { startScript } from '../child.ts';

const Load = z.object({ rate: z.number(), p50: z.number(), p99: z.number(), failed: z.number(), bytes: z.number() });

/** What a load found: answers a second, times in milliseconds, failures, and the size of the last answer. */
export type Load = z.infer<typeof Load>;

export type LoadOptions = {
  readonly url: string;
  /** A file of access tokens, one a line; for the peer of actors. */
  readonly callers: string;
  readonly connections: number;
  /** 0: once with each caller. */
  readonly seconds: number;
  /** Requests a second; as many as go without it. */
  readonly rate?: number;
  readonly peer?: boolean;
};

/** Asks for feeds from a process of its own. */
export async function load({ url, callers, connections, seconds, rate = 0, peer = false }: LoadOptions): Promise<Load> {
  const args = [url, callers, connections, seconds, rate, ...(peer ? ['peer'] : [])].map(String);
  const child = startScript(new URL('load.child.ts', import.meta.url), args);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, 'close');
  return Load.parse(JSON.parse(output));
}

/** The load with the highest rate. */
export function fastest(loads: readonly [Load, ...Load[]]): Load {
  return loads.reduce((one, other) => (other.rate > one.rate ? other : one));
}
