import { Cluster } from 'ioredis';
import { z } from 'zod';
import { chunksByGroup, oneGroup, packedCalls, type Packed } from './call-packing.ts';
import { toFound, type IndexAnswers } from './index-answers.ts';
import { createFunctionCaller, type FunctionCaller } from './redis-functions.ts';
import { allServersOf, type RedisClient } from './redis.ts';

/** One member of an index: `score` orders it (milliseconds since 1970), `id` breaks ties. */
export type Entry = { readonly id: string; readonly score: number };

/** Who writes: a lane of a build, and the epoch under which the writer holds it. */
export type Writer = { readonly lane: number; readonly epoch: number };

/** The same additions and removals for each of some indexes. */
export type Change = {
  readonly keys: readonly string[];
  readonly add: readonly Entry[];
  readonly remove: readonly string[];
};

/** An index is cut to `entries` once it has more than `entries` and the slack. */
export type Bound = {
  readonly entries: number;
  readonly slack: number;
  /** An index with less of its lifetime left was not read for long: it is made absent instead of changed. */
  readonly idleBelowMs?: number;
};

/** `absent`, or being computed by the holder of a lease, or complete: its newest entries, newest first. */
export type Found =
  | { readonly state: 'absent' }
  | { readonly state: 'computing' }
  | { readonly state: 'complete'; readonly entries: readonly Entry[] };

/** `busy`: somebody else computes it. `withheld`: indexes of its kind are not made at this moment. */
export type Lease = 'taken' | 'busy' | 'present' | 'withheld';

/** A computed index: its newest entries, newest first; `cut` when there may be more below the last one. */
export type Computed = { readonly entries: readonly Entry[]; readonly cut: boolean };

/** Indexes on Redis that are absent or complete: redis-functions.lua says what that means. */
export type SortedIndexes = {
  /**
   * Adds and removes on those indexes that exist, ends the leases on the others. `incomplete` are unlinked: they lost
   * too much to know their newest entries.
   */
  apply(
    writers: readonly Writer[],
    bound: Bound,
    changes: readonly Change[],
  ): Promise<{ changed: number; incomplete: string[] }>;
  /** Makes indexes absent and ends the leases on them. */
  discard(writers: readonly Writer[], keys: readonly string[]): Promise<void>;
  /**
   * Makes all indexes of a kind (the word behind the prefix in their keys) absent, and keeps readers from making them
   * until the writers permit it again. Safe to call again and again; with `swept` it only looks whether that still
   * holds, and sweeps when it does not.
   */
  withhold(writers: readonly Writer[], kind: string, swept: boolean): Promise<void>;
  permit(writers: readonly Writer[], kind: string): Promise<void>;
  /** Those that have less than `renewBelowMs` to live then live for `renewMs`; 0 leaves all as they are. */
  newest(keys: readonly string[], options: { limit: number; renewMs: number; renewBelowMs?: number }): Promise<Found[]>;
  lease(key: string, token: string, lifetimeMs: number): Promise<Lease>;
  /** False when the lease was broken meanwhile: nothing is written. */
  fill(key: string, token: string, computed: Computed, lifetimeMs: number): Promise<boolean>;
  release(key: string, token: string): Promise<void>;
  /**
   * The keys that start with `prefix`, in no order; a key that comes or goes meanwhile may be missed or be there twice.
   * Throws when a part of Redis is away.
   */
  scan(prefix: string): AsyncIterable<string[]>;
  /**
   * Raises the lanes' epochs everywhere and sets their marks. Throws StaleEpochError when a higher epoch of one is
   * known.
   */
  takeOver(lanes: readonly (Writer & { readonly mark: string })[]): Promise<void>;
  /**
   * Moves marks: the positions up to which the lanes' effects are in Redis. `elsewhere` when a mark is not where it was
   * left: some server came back with an older state, and the lanes have to go back to what `marks` says.
   */
  mark(moves: readonly (Writer & { readonly from: string; readonly to: string })[]): Promise<'marked' | 'elsewhere'>;
  /** For each lane its earliest mark in any part of Redis; undefined where none is known. */
  marks(lanes: readonly number[]): Promise<(string | undefined)[]>;
};

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
  const groupOf = clustered ? tagOf : oneGroup;
  const registryOf = (group: string) => `${prefix}lanes:{${group}}`;
  const groups = clustered ? Array.from({ length: buckets }, (_, bucket) => String(bucket)) : [''];
  const registries = groups.map(registryOf);
  const withheldOf = (kind: string, group: string) => `${prefix}withheld:${kind}:{${group}}`;
  const inEachGroup = (name: string, writers: readonly Writer[], kind: string) =>
    Promise.all(groups.map((group) => call(name, [registryOf(group), withheldOf(kind, group)], epochsOf(writers))));
  const discard = async (writers: readonly Writer[], keys: readonly string[]) => {
    for (const [group, chunk] of chunksByGroup(keys, groupOf))
      await call('index_discard', [registryOf(group), ...chunk], epochsOf(writers));
  };
  return {
    apply: (writers, bound, changes) => apply({ call, groupOf, registryOf }, { writers, bound, changes }),
    discard,
    withhold: async (writers, kind, swept) => {
      const stands = (await inEachGroup('index_withhold', writers, kind)).every((added) => added === 0);
      if (swept && stands) return;
      for await (const keys of scan(client, `${prefix}${kind}:`)) await discard(writers, keys);
    },
    permit: async (writers, kind) => {
      await inEachGroup('index_permit', writers, kind);
    },
    newest: async (keys, { limit, renewMs, renewBelowMs = renewMs }) =>
      newest(
        {
          call,
          groupOf,
          read:
            answers === undefined
              ? (_key, answer) => toFound(answer)
              : (key, answer) => answers.found(`${String(limit)} ${key}`, answer),
        },
        { keys, args: [limit, renewMs, renewBelowMs] },
      ),
    lease: async (key, token, lifetimeMs) => {
      const kind = key.slice(prefix.length, key.indexOf(':', prefix.length));
      return z
        .enum(['taken', 'busy', 'present', 'withheld'])
        .parse(await call('index_lease', [key, withheldOf(kind, groupOf(key))], [token, lifetimeMs]));
    },
    fill: async (key, token, computed, lifetimeMs) =>
      (await call(
        'index_fill',
        [key],
        [token, lifetimeMs, ...floorOf(computed), ...computed.entries.flatMap(({ id, score }) => [score, id])],
      )) === 1,
    release: async (key, token) => {
      await call('index_release', [key], [token]);
    },
    scan: (start) => scan(client, start),
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
    marks: async (lanes) =>
      earliest(
        await Promise.all(registries.map((registry) => client.hmget(registry, ...lanes.map((lane) => `${lane}:mark`)))),
        lanes.length,
      ),
  };
}

type Routing = { call: FunctionCaller; groupOf: (key: string) => string; registryOf: (group: string) => string };
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
