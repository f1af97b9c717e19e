import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccountId } from '../../domain/ids.ts';
import { listBuilds, quoted } from '../../projections/builds/build-store.ts';
import { codeVersions, laneProjections, postgresProjections } from '../../projections/catalog.ts';
import { celebrityIndexes, celebrityPosts } from '../../projections/feeds/celebrity-posts.ts';
import { fillAbsent } from '../../projections/feeds/computed-index.ts';
import { ensureLiveBuild } from '../../projections/builds/switch-over.ts';
import { followedCelebrities } from '../../projections/feeds/followed-celebrities.ts';
import { homeFeed, homeFeeds } from '../../projections/feeds/home-feed.ts';
import { BUCKETS, keysOf } from '../../projections/lane-keys.ts';
import type { LaneProjection } from '../../projections/lane-projection.ts';
import { rebuild } from '../../projections/rebuild/rebuild.ts';
import { buildAside } from '../../projections/rebuild/side-build.ts';
import { celebrityStories, storyTray, storyTrays } from '../../projections/feeds/story-tray.ts';
import { eventMix } from '../../testing/event-mix.ts';
import { erased } from '../../testing/facts.ts';
import { happened, type Fact } from '../../testing/projection-spec.ts';
import { openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createTestRedis } from '../../testing/redis.ts';
import { connection, createTestBucket, s3ForTests, type S3Address } from '../../testing/s3-server.ts';
import { createFsObjectStore } from '../object-store/object-store-fs.ts';
import { createS3ObjectStore } from '../object-store/object-store-s3.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { openRedis, whenRedisReady } from '../redis/redis.ts';
import { createSortedIndexes } from '../redis/sorted-indexes.ts';
import type { Entry } from '../redis/sorted-index.ts';
import { openVault } from '../vault/vault.ts';
import { restoreVault } from '../vault/vault-archive.ts';
import { exportLog } from './export.ts';
import { checkArchive, importLog } from './import.ts';
import { readLines, readManifest } from './segment.ts';
import { archiveInObjectStore, type ArchiveStorage } from './storage.ts';

// The whole way round: a log with every kind of fact, exported in two goes to an object store, imported elsewhere, and
// the models of both logs compared: those in PostgreSQL by digests, those in Redis by what each index holds.
const never = new AbortController().signal;
const masterKey = Buffer.alloc(32, 3).toString('base64');
/** Late enough for all that happens, early enough for nothing to be too old to show. */
const AFTER_THE_FACTS = new Date('2026-01-01T01:00:00.000Z');

type Place = { readonly objects: ObjectStore; close(): Promise<void> };

async function inFolder(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'archive-objects-'));
  const base = 'http://127.0.0.1:9';
  const objects = createFsObjectStore({
    dir: folder,
    secret: 'x'.repeat(40),
    uploadBaseUrl: base,
    downloadBaseUrl: base,
  });
  return {
    objects,
    close: async () => {
      await objects.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const address = s3ForTests();
async function onS3(s3: S3Address): Promise<Place> {
  const { bucket, remove } = await createTestBucket(s3);
  const objects = createS3ObjectStore({ ...connection(s3), bucket });
  return {
    objects,
    close: async () => {
      await objects.close();
      await remove();
    },
  };
}

const exportTo = (storage: ArchiveStorage, from: ProjectorWorld) =>
  exportLog({
    store: from.store,
    pool: from.pool,
    storage,
    signal: never,
    onSegment: () => undefined,
    segmentEvents: 500,
  });

async function digests({ pool, ...world }: ProjectorWorld): Promise<Record<string, unknown>> {
  const versions = new Map(postgresProjections.map(({ name, version }) => [name, version]));
  await rebuild(
    { ...world, pool, versions, redis: () => Promise.reject(new Error('no Redis here')) },
    { projections: postgresProjections, onPoison: 'stop', signal: never, report: () => undefined },
  );
  const builds = await listBuilds(pool);
  const all: Record<string, unknown> = {};
  for (const { name, tables } of postgresProjections) {
    const schema = quoted(builds.find(({ projection, state }) => projection === name && state === 'live')!.location);
    for (const { table, key, columns } of tables) {
      // Places in a log are another log's: everything else must be the same.
      const compared = [...key, ...columns].filter((column) => !column.endsWith('_position'));
      const { rows } = await pool.query<{ rows: string; digest: string | null }>(
        `select count(*) as rows, bit_xor(hashtextextended(row(${compared.join(', ')})::text, 1)) as digest from ${schema}.${table}`,
      );
      all[`${name}.${table}`] = rows[0];
    }
  }
  return all;
}

const INDEXES = [
  [homeFeed, homeFeeds.keys],
  [homeFeed, followedCelebrities.keys],
  [celebrityPosts, celebrityIndexes.keys],
  [storyTray, storyTrays.keys],
  [storyTray, followedCelebrities.keys],
  [storyTray, celebrityStories.keys],
] satisfies [LaneProjection, string][];

/**
 * What the indexes in Redis hold for accounts at a time, by a side build of the keys that readers would have made;
 * empty ones are left out.
 */
async function indexesOf(
  world: ProjectorWorld,
  accounts: readonly AccountId[],
  at: Date,
): Promise<Record<string, readonly Entry[]>> {
  const server = await createTestRedis();
  const redis = openRedis(server.url);
  await whenRedisReady(redis, 10_000);
  const under = (location: string) => createSortedIndexes(redis, { prefix: `${location}:`, buckets: BUCKETS });
  try {
    for (const projection of laneProjections)
      await ensureLiveBuild(world.pool, { projection, storeId: world.store.storeId });
    const live = new Map(
      (await listBuilds(world.pool))
        .filter(({ state }) => state === 'live')
        .map(({ projection, location }) => [projection, location]),
    );
    for (const [{ name }, kind] of INDEXES) {
      const keyOf = keysOf(live.get(name)!, kind);
      await fillAbsent(
        under(live.get(name)!),
        accounts.map((id) => ({ id, key: keyOf(id) })),
        { limit: 1, compute: async () => new Map() },
      );
    }
    const until = { position: await world.store.head(), at };
    const builds = await buildAside(
      { ...world, versions: codeVersions, redis: () => Promise.resolve(redis) },
      { projections: laneProjections, until, onPoison: 'stop', signal: never, report: () => undefined },
    );
    const held: Record<string, readonly Entry[]> = {};
    for (const [{ name }, kind] of INDEXES) {
      const { location } = builds.find(({ projection }) => projection === name)!;
      const found = await under(location).newest(accounts.map(keysOf(location, kind)), { limit: 1_000, renewMs: 0 });
      expect(found.map(({ state }) => state)).toEqual(accounts.map(() => 'complete'));
      found.forEach((one, i) => {
        if (one.state === 'complete' && one.entries.length > 0) held[`${name} ${kind} ${accounts[i]!}`] = one.entries;
      });
    }
    return held;
  } finally {
    redis.disconnect();
    await server.close();
  }
}

/** Somebody with posts and stories who is never erased. */
function someAuthor(facts: readonly Fact[]): AccountId {
  const those = (type: Fact['type'], who: string) =>
    new Set(facts.filter((fact) => fact.type === type).map(({ data }) => data[who]));
  const [posted, told, gone] = [
    those('PostPublished', 'authorId'),
    those('StoryPublished', 'authorId'),
    those('AccountErased', 'accountId'),
  ];
  return AccountId.parse([...posted].find((author) => told.has(author) && !gone.has(author)));
}

describe.each([
  ['a folder', inFolder],
  ...(address === null ? [] : [['a real S3 server', () => onS3(address)] satisfies [string, () => Promise<Place>]]),
] satisfies [string, () => Promise<Place>][])('an archive in the object store on %s', (_, open) => {
  let [source, target]: ProjectorWorld[] = [];
  let place: Place;
  beforeAll(async () => {
    [source, target, place] = await Promise.all([openProjectorWorld(), openProjectorWorld(), open()]);
    await openVault({ pool: source.pool, masterKey });
  });
  afterAll(() => Promise.all([source?.close(), target?.close(), place.close()]));

  it('gives every model the same digest on the other side, with what the first and the second export brought', async () => {
    const storage = archiveInObjectStore(place.objects, { prefix: 'backups/one', place: 'the store of this test' });
    const facts: Fact[] = [];
    for (const fact of eventMix(29)) {
      facts.push(fact);
      if (facts.length >= 3_000) break;
    }
    const registered = facts
      .filter(({ type }) => type === 'AccountRegistered')
      .map(({ data }) => AccountId.parse(data['accountId']));
    const gone = registered.slice(0, 3).map(erased);
    const star = someAuthor([...facts, ...gone]);
    await source!.append(...facts.slice(0, 1_800));
    const first = await exportTo(storage, source!);
    await source!.append(
      ...facts.slice(1_800),
      ...gone,
      happened('CelebrityStatusGranted', { accountId: star, followerCount: 10_000, threshold: 10_000 }),
    );
    const second = await exportTo(storage, source!);
    expect(second.segments.slice(0, first.segments.length)).toEqual(first.segments);
    const names: string[] = [];
    for await (const { key } of place.objects.list('backups/one/')) names.push(key);
    expect(names.filter((name) => name.startsWith('backups/one/vault-'))).toHaveLength(1);

    const read = (await readManifest(storage))!;
    expect(read).toEqual(second);
    await checkArchive(storage, read);
    await restoreVault({ pool: target!.pool, masterKey }, await readLines(storage, read.vault!));
    const restored = await importLog({
      store: target!.store,
      storage,
      manifest: read,
      signal: never,
      onEvents: () => undefined,
    });
    // Whose keys have to be empty, whatever the vault was like when it was exported.
    expect(restored.erased).toEqual(expect.arrayContaining(gone.map(({ data }) => data['accountId'])));
    const [there, here] = [await digests(source!), await digests(target!)];
    expect(here).toEqual(there);
    expect(there['accounts.account']).not.toEqual({ rows: '0', digest: null });
    const indexes = await indexesOf(source!, registered, AFTER_THE_FACTS);
    expect(await indexesOf(target!, registered, AFTER_THE_FACTS)).toEqual(indexes);
    for (const [{ name }, kind] of INDEXES)
      expect(Object.keys(indexes).filter((key) => key.startsWith(`${name} ${kind} `))).not.toEqual([]);
  }, 120_000);
});
