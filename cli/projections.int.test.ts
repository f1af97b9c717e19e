import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { shownPosition } from '../infra/event-store/position-text.ts';
import { openRedis, whenRedisReady } from '../infra/redis/redis.ts';
import { createSortedIndexes } from '../infra/redis/sorted-indexes.ts';
import { openVault } from '../infra/vault/vault.ts';
import { runCli } from '../testing/cli.ts';
import { createBuild, listBuilds, quoted } from '../projections/builds/build-store.ts';
import { allProjections, codeVersions } from '../projections/catalog.ts';
import { homeFeed } from '../projections/feeds/home-feed.ts';
import { BUCKETS, keysOf } from '../projections/lane-keys.ts';
import { likes } from '../projections/models/likes.ts';
import { follows } from '../projections/models/follows.ts';
import { saves } from '../projections/models/saves.ts';
import { verifyLanes } from '../projections/rebuild/verify-lanes.ts';
import { happened } from '../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';

const PROJECTOR = fileURLToPath(new URL('../projections/main.ts', import.meta.url));
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');
const LIMIT_MS = 120_000;

let world: ProjectorWorld;
let redis: TestRedis;
let projector: ReturnType<typeof spawn>;
const env = () => ({
  ...process.env,
  EVENTSTORE_URL: world.node.url,
  DATABASE_URL: world.databaseUrl,
  REDIS_URL: redis.url,
  MASTER_KEY,
  JWT_SECRET: 'x'.repeat(40),
  PROJECTOR_PORT: '0',
  LOG_LEVEL: 'error',
});

beforeAll(async () => {
  [world, redis] = await Promise.all([openProjectorWorld(), createTestRedis()]);
  await openVault({ pool: world.pool, masterKey: MASTER_KEY });
  await world.append(
    ...Array.from({ length: 200 }, () =>
      happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }),
    ),
  );
  projector = spawn(process.execPath, [PROJECTOR], { env: env(), stdio: ['ignore', 'ignore', 'inherit'] });
  await level();
}, LIMIT_MS);
afterAll(async () => {
  const ended = once(projector, 'exit');
  projector.kill('SIGTERM');
  await ended;
  await world.close();
  await redis.close();
});

const shutterlog = (...args: string[]) => runCli(env(), args);

const level = () =>
  eventually(
    'the projector reaches the head',
    async () => {
      const head = await world.store.head();
      const { rows } = await world.pool.query<{ behind: number }>(
        `select count(*)::int as behind from projections.checkpoint c join projections.build b on b.id = c.build_id where b.state = 'live' and b.store = 'postgres' and c.position < $1`,
        [head],
      );
      return (
        (await listBuilds(world.pool)).filter(({ state }) => state === 'live').length === allProjections.length &&
        rows[0]?.behind === 0
      );
    },
    LIMIT_MS,
  );
const live = async (name: string) => (await listBuilds(world.pool, name)).find(({ state }) => state === 'live')!;

describe('shutterlog projections', () => {
  it(
    'lists every read model with what it reads',
    async () => {
      const { code, out } = await shutterlog('projections', 'list', '--json');
      expect(code).toBe(0);
      expect((JSON.parse(out) as { name: string }[]).map(({ name }) => name)).toEqual(
        allProjections.map(({ name }) => name),
      );
    },
    LIMIT_MS,
  );

  it(
    'says how far each has come',
    async () => {
      const { code, out } = await shutterlog('projections', 'status', '--json');
      expect(code).toBe(0);
      const rows = JSON.parse(out) as Record<string, unknown>[];
      expect(rows).toHaveLength(allProjections.length);
      for (const row of rows)
        expect(row).toMatchObject({
          checkpoint: row['head'],
          lag_events: 0,
          lag_seconds: 0,
          state: 'following',
          version: expect.any(Number),
          store: expect.stringMatching(/^(postgres|redis)$/),
        });
      const text = await shutterlog('projections', 'status', 'follows');
      const place = shownPosition(await world.store.head());
      expect(text.out).toMatch(
        new RegExp(`follows +postgres +${String(follows.version)} +\\d+ +following +0 +0\\.0 +0 +${place}\n`),
      );
      expect(text.out).toMatch(new RegExp(`head of the log +${place}\n`));
    },
    LIMIT_MS,
  );

  it(
    'shows people short positions, and takes those as well as the ones of JSON',
    async () => {
      const parsed = (out: string) =>
        out
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as { position: string }).position);
      const [first = '', second = ''] = parsed((await shutterlog('events', 'tail', '--limit', '2', '--json')).out);
      expect(first).toMatch(/^[0-9a-f]{32}$/);
      expect((await shutterlog('events', 'tail', '--limit', '1')).out).toContain(`\n  at ${shownPosition(second)}\n`);
      for (const form of [first, shownPosition(first)])
        expect(parsed((await shutterlog('events', 'tail', '--after', form, '--limit', '1', '--json')).out)).toEqual([
          second,
        ]);
      expect(await shutterlog('events', 'tail', '--after', 'yesterday')).toMatchObject({
        code: 2,
        err: expect.stringContaining('yesterday is not a position'),
      });
    },
    LIMIT_MS,
  );

  it(
    'takes an unknown name, no name and a wrong option for wrong use',
    async () => {
      const outcomes = await Promise.all([
        shutterlog('projections', 'rebuild', 'nonsense'),
        shutterlog('projections', 'verify', 'follows', 'nonsense'),
        shutterlog('projections', 'rebuild'),
        shutterlog('projections', 'rebuild', '--all', 'follows'),
        shutterlog('projections', 'status', 'nonsense'),
        shutterlog('projections', 'rebuild', 'follows', '--on-poison', 'ignore'),
        shutterlog('projections', 'rebuild', 'follows', '--until', 'yesterday'),
      ]);
      expect(outcomes.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 2, 2]);
      expect(outcomes[0]!.err).toMatch(/unknown projection nonsense; there are accounts, follows/);
    },
    LIMIT_MS,
  );

  it(
    'rebuilds everything in both stores while the projector runs, and the projector goes on with the new builds',
    async () => {
      const before = new Map(
        (await listBuilds(world.pool))
          .filter(({ state }) => state === 'live')
          .map(({ projection, id }) => [projection, id]),
      );
      const { code, out, err } = await shutterlog('projections', 'rebuild', '--all', '--json');
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
      expect(JSON.parse(out)).toMatchObject({
        rebuilt: allProjections.map(({ name }) => name),
        events: expect.any(Number),
      });
      expect(
        err
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { step: string }),
      ).toContainEqual(expect.objectContaining({ step: 'replaying', unit: 'events' }));
      for (const { name } of allProjections) expect((await live(name)).id).not.toBe(before.get(name));
      await world.append(happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }));
      await level();
      expect((await shutterlog('projections', 'verify', '--all')).code).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'says of each model whether it goes on where a rebuild was interrupted, or begins again and why',
    async () => {
      const left = await Promise.all([
        createBuild(world.pool, { projection: likes, storeId: world.store.storeId, state: 'building' }),
        createBuild(world.pool, {
          projection: { ...saves, version: 99 },
          storeId: world.store.storeId,
          state: 'building',
        }),
      ]);
      const { code, err } = await shutterlog('projections', 'rebuild', 'likes', 'saves', '--json');
      expect(code).toBe(0);
      const said = err
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ begins }) => begins !== undefined);
      expect(said).toEqual([
        expect.objectContaining({ projection: 'likes', build: left[0].id, begins: 'where it was interrupted' }),
        expect.objectContaining({
          projection: 'saves',
          begins: 'again',
          instead_of: left[1].id,
          message: expect.stringMatching(
            new RegExp(`^saves: beginning again .* \\(it is of version 99, the code has ${String(saves.version)}\\)$`),
          ),
        }),
      ]);
    },
    LIMIT_MS,
  );

  it(
    'ends with 3 when a model differs, and lists what does',
    async () => {
      const { location } = await live('follows');
      await world.pool.query(
        `update ${quoted(location)}.follow_count set followers = 77 where account_id = (select min(account_id) from ${quoted(location)}.follow_count)`,
      );
      const { code, out } = await shutterlog('projections', 'verify', 'follows', '--json');
      expect(code).toBe(3);
      expect(JSON.parse(out)).toMatchObject({
        differences: [{ projection: 'follows', table: 'follow_count', live: { followers: 77 } }],
        more_differences: 0,
      });
      const refused = await shutterlog('projections', 'rebuild', 'follows', '--verify');
      expect(refused.code).toBe(3);
      expect(refused.err).toContain('readers keep what they have');
      expect((await shutterlog('projections', 'rebuild', 'follows')).code).toBe(0);
      expect((await shutterlog('projections', 'verify', 'follows')).code).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'finds an entry too many and a key of another type in Redis, each by its key',
    async () => {
      const { location } = await live('home-feed');
      const client = openRedis(redis.url);
      await whenRedisReady(client, 10_000);
      const indexes = createSortedIndexes(client, { prefix: `${location}:`, buckets: BUCKETS });
      const keys = Array.from({ length: 20 }, () => keysOf(location, 'feed')(newId.account()));
      for (const key of keys) {
        expect(await indexes.lease(key, 'test', 60_000)).toBe('taken');
        expect(await indexes.fill(key, 'test', { entries: [], cut: false }, 3_600_000)).toBe(true);
      }
      expect((await shutterlog('projections', 'verify', 'home-feed')).code).toBe(0);
      const [more, broken] = keys as [string, string];
      const [id, score] = [newId.post(), Date.now()];
      await client.zadd(more, score, id);
      await client.del(broken);
      await client.lpush(broken, 'nonsense');
      const { code, out } = await shutterlog('projections', 'verify', 'home-feed', '--json');
      expect(code).toBe(3);
      const { differences } = JSON.parse(out) as { differences: { key: string }[] };
      expect(differences).toHaveLength(2);
      expect(differences).toContainEqual({ projection: 'home-feed', key: more, live: [{ id, score }], expected: [] });
      expect(differences).toContainEqual(
        expect.objectContaining({ key: broken, broken: expect.stringContaining('WRONGTYPE') }),
      );
      const counted = await verifyLanes(
        { pool: world.pool, redis: client, store: world.store, versions: codeVersions },
        homeFeed,
        { listed: 1, signal: new AbortController().signal, report: () => undefined },
      );
      expect({ listed: counted.differences.length, more: counted.more }).toEqual({ listed: 1, more: 1 });
      const sampled = await shutterlog('projections', 'verify', 'home-feed', '--sample', '5', '--json');
      expect((JSON.parse(sampled.out) as { keys: number }).keys).toBe(5);
      await client.del(...keys);
      client.disconnect();
    },
    LIMIT_MS,
  );

  it(
    'switches no readers to a model in Redis over a key that is not as the definition says, and does once it is',
    async () => {
      const before = await live('home-feed');
      const left = await createBuild(world.pool, {
        projection: homeFeed,
        storeId: world.store.storeId,
        state: 'building',
      });
      const client = openRedis(redis.url);
      await whenRedisReady(client, 10_000);
      const indexes = createSortedIndexes(client, { prefix: `${left.location}:`, buckets: BUCKETS });
      const key = keysOf(left.location, 'feed')(newId.account());
      const wrong = { id: newId.post(), score: Date.now() };
      expect(await indexes.lease(key, 'test', 60_000)).toBe('taken');
      expect(await indexes.fill(key, 'test', { entries: [wrong], cut: false }, 3_600_000)).toBe(true);
      const refused = await shutterlog('projections', 'rebuild', 'home-feed', '--verify', '--json');
      expect(refused.code).toBe(3);
      expect(JSON.parse(refused.out)).toMatchObject({
        differences: [`home-feed ${key}: rebuilt ${JSON.stringify([wrong])}, by definition []`],
        more_differences: 0,
        error: expect.stringContaining('readers keep what they have'),
      });
      expect((await live('home-feed')).id).toBe(before.id);
      await client.zrem(key, wrong.id);
      client.disconnect();
      expect((await shutterlog('projections', 'rebuild', 'home-feed', '--verify')).code).toBe(0);
      expect((await live('home-feed')).id).toBe(left.id);
    },
    LIMIT_MS,
  );

  it(
    'pauses a model and lets it go on',
    async () => {
      expect((await shutterlog('projections', 'pause', 'follows')).code).toBe(0);
      const build = await live('follows');
      await eventually(
        'the projector lets go',
        async () =>
          (JSON.parse((await shutterlog('projections', 'status', 'follows', '--json')).out) as { state: string }[])[0]
            ?.state === 'paused',
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 700);
      });
      await world.append(happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }));
      const { rows } = await world.pool.query<{ position: string }>(
        'select position from projections.checkpoint where build_id = $1',
        [build.id],
      );
      expect(rows[0]!.position < (await world.store.head())).toBe(true);
      expect((await shutterlog('projections', 'resume', 'follows')).code).toBe(0);
      await level();
    },
    LIMIT_MS,
  );

  it(
    'rolls back to the builds before the last rebuild',
    async () => {
      const [previous] = (await listBuilds(world.pool, 'follows')).filter(({ state }) => state === 'previous');
      expect((await shutterlog('projections', 'rollback', 'follows')).code).toBe(0);
      expect((await live('follows')).id).toBe(previous!.id);
    },
    LIMIT_MS,
  );

  it(
    'builds aside up to a place, shows rows of it and drops it',
    async () => {
      const place = await world.store.head();
      const made = await shutterlog('projections', 'rebuild', 'follows', '--until', place, '--json');
      expect(made.code).toBe(0);
      const [{ build }] = JSON.parse(made.out) as [{ build: number }];
      const rows = await shutterlog('projections', 'rows', 'follow', '--build', String(build), '--limit', '3');
      expect(
        rows.out
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown),
      ).toHaveLength(3);
      expect((await shutterlog('projections', 'rows', 'nonsense', '--build', String(build))).code).toBe(2);
      expect((await shutterlog('projections', 'drop', String(build))).code).toBe(0);
      expect((await shutterlog('projections', 'rows', 'follow', '--build', String(build))).code).toBe(2);
    },
    LIMIT_MS,
  );
});
