import { setTimeout as delay } from 'node:timers/promises';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { Pool } from '../../infra/postgres.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { readPlaces } from '../builds/build-checkpoints.ts';
import { listBuilds, type Build } from '../builds/build-store.ts';
import type { CodeVersions } from '../builds/builds.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { BUCKETS } from '../lane-keys.ts';
import type { KeyDifference, LaneContext, LaneProjection } from '../lane-projection.ts';
import type { Builds } from '../projection.ts';
import { LISTED_AT_MOST } from './verify.ts';

export type LaneVerifyDeps = {
  readonly pool: Pool;
  readonly redis: RedisClient;
  readonly store: Pick<EventStore, 'head' | 'storeId'>;
  readonly versions: CodeVersions;
};

export type LaneVerifyOptions = {
  /** Compare about this many keys instead of all. */
  readonly sample?: number | undefined;
  /** Differences that are listed; the others are counted. */
  readonly listed?: number;
  readonly signal: AbortSignal;
  readonly report: (keys: number) => void;
};

const ROUNDS = 3;
const REACH_LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 20;

/**
 * Compares the keys of a build on Redis (the live one, or `build`) with what the definition gives over the PostgreSQL
 * models. Traffic makes keys differ for a moment: what differs is compared again after lanes and models have passed a
 * later place, and only what still differs the last time is reported: `more` counts what is not listed.
 */
export async function verifyLanes(
  deps: LaneVerifyDeps,
  projection: LaneProjection,
  options: LaneVerifyOptions,
  build?: { readonly build: Build; readonly models: Builds },
): Promise<{ keys: number } & Look> {
  const { context, ids } = await comparedBuild(deps, projection, build);
  let keys = 0;
  const checked = (more: number) => {
    keys += more;
    options.report(keys);
  };
  const wanted = { ...options, listed: options.listed ?? LISTED_AT_MOST };
  const all = options.sample === undefined ? {} : { sample: options.sample };
  let look = await collect(projection.differences(context, { ...all, checked }), wanted);
  for (let round = 1; round < ROUNDS && look.differences.length > 0; round += 1) {
    await allHavePassed(deps, ids, options.signal);
    // Of keys that were not listed nothing is known but their number.
    look = await collect(
      projection.differences(context, look.more > 0 ? all : { only: look.differences.map(({ key }) => key) }),
      wanted,
    );
  }
  return { keys, ...look };
}

async function comparedBuild(
  { pool, redis, versions }: LaneVerifyDeps,
  projection: LaneProjection,
  build?: { readonly build: Build; readonly models: Builds },
): Promise<{ context: LaneContext; ids: number[] }> {
  const models = build?.models ?? (await resolveBuilds(pool, versions));
  const prefix = build?.build.location ?? models.prefix(projection.name);
  const context: LaneContext = {
    read: { sql: pool, builds: models },
    indexes: createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
    prefix,
    now: () => new Date(),
  };
  return {
    context,
    ids: [build?.build.id ?? models.id(projection.name), ...projection.reads.map((model) => models.id(model))],
  };
}

type Look = { readonly differences: readonly KeyDifference[]; readonly more: number };

async function collect(
  differences: AsyncIterable<KeyDifference>,
  { signal, listed }: { signal: AbortSignal; listed: number },
): Promise<Look> {
  const first: KeyDifference[] = [];
  let more = 0;
  for await (const difference of differences) {
    signal.throwIfAborted();
    if (first.length < listed) first.push(difference);
    else more += 1;
  }
  return { differences: first, more };
}

async function allHavePassed(
  { pool, store }: LaneVerifyDeps,
  buildIds: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const head = await store.head();
  const deadline = performance.now() + REACH_LIMIT_MS;
  for (;;) {
    const places = await readPlaces(pool);
    const behind = buildIds.find((id) => (places.get(id)?.position ?? '') < head);
    if (behind === undefined) return;
    signal.throwIfAborted();
    if (performance.now() > deadline) {
      const name = (await listBuilds(pool)).find(({ id }) => id === behind)?.projection ?? String(behind);
      throw new Error(`${name} does not move on: is the projector running?`);
    }
    await delay(LOOK_EVERY_MS);
  }
}
