import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccountId, MediaId, PostId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { checkArchive, importLog } from '../infra/log-archive/import.ts';
import { readLines, readManifest } from '../infra/log-archive/segment.ts';
import { archiveFolder } from '../infra/log-archive/storage.ts';
import { restoreVault } from '../infra/vault/vault-archive.ts';
import { listBuilds } from '../projections/builds/build-store.ts';
import { resolveBuilds } from '../projections/builds/builds.ts';
import { allProjections, codeVersions } from '../projections/catalog.ts';
import { postCards } from '../projections/queries/post-cards.ts';
import { posts } from '../projections/models/posts.ts';
import { runCli } from '../testing/cli.ts';
import { happened } from '../testing/projection-spec.ts';
import { openProjectorWorld, type ProjectorWorld } from '../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';

// What release 0.1 left behind: its log and vault, as its own `events export` wrote them (master key below), and its
// build of `posts`, in which a caption had no time of editing. Its `PostCreated` listed alt texts in order.
const RELEASE = new URL('../testing/fixtures/release-0.1/', import.meta.url);
const MASTER_KEY = '2uUnemK7dIC0HrlCYMu42PwT1xi/l5k5/zwGsoX4g/I=';
const OLD_BUILD = 5;
const ann = AccountId.parse('acc_01m89scq0ye56b7b86zxhg87z4');
const boats = PostId.parse('post_01m89scqyyehxsdrdkg4q7bhb1');
const boatPhoto = MediaId.parse('med_01m89scqyyffctky3bx63xx63z');
const LIMIT_MS = 120_000;

let world: ProjectorWorld;
let redis: TestRedis;
beforeAll(async () => {
  [world, redis] = await Promise.all([openProjectorWorld(), createTestRedis()]);
  const storage = archiveFolder(fileURLToPath(RELEASE));
  const manifest = (await readManifest(storage))!;
  await checkArchive(storage, manifest);
  await restoreVault({ pool: world.pool, masterKey: MASTER_KEY }, await readLines(storage, manifest.vault!));
  await importLog({
    store: world.store,
    storage,
    manifest,
    signal: new AbortController().signal,
    onEvents: () => undefined,
  });
  await world.pool.query(await readFile(new URL('posts.sql', RELEASE), 'utf8'));
  await world.pool.query(
    `insert into projections.build (id, projection, version, store, state, location, store_id) overriding system value values ($1, 'posts', 1, 'postgres', 'live', 'posts_5', $2)`,
    [OLD_BUILD, world.store.storeId],
  );
  await world.pool.query(`select setval(pg_get_serial_sequence('projections.build', 'id'), $1)`, [OLD_BUILD]);
  await world.pool.query(
    'insert into projections.checkpoint (build_id, store_id, position, events) values ($1, $2, $3, 60)',
    [OLD_BUILD, world.store.storeId, await world.store.head()],
  );
  await world.pool.query(
    `update projections.live_builds set builds = '{"posts": [{"id": 5, "version": 1, "location": "posts_5"}]}'`,
  );
}, LIMIT_MS);
afterAll(async () => {
  await world.close();
  await redis.close();
});

const shutterlog = (...args: string[]) =>
  runCli(
    {
      ...process.env,
      EVENTSTORE_URL: world.node.url,
      DATABASE_URL: world.databaseUrl,
      REDIS_URL: redis.url,
      MASTER_KEY,
      JWT_SECRET: 'x'.repeat(40),
    },
    args,
  );

const buildOf = async (versions: ReadonlyMap<string, number>) =>
  (await resolveBuilds(world.pool, versions)).id('posts');
const rowsOf = async (table: string) =>
  (await world.pool.query<Record<string, unknown>>(`select * from ${table} order by post_id`)).rows;
const status = async () =>
  (JSON.parse((await shutterlog('projections', 'status', 'posts', '--json')).out) as { state: string }[])[0];

describe('an upgrade from the previous release', () => {
  const fresh = { postId: newId.post(), authorId: ann };
  const [plain, described] = [newId.media(), newId.media()];

  it(
    'says which model is outdated, and takes no other words with --outdated',
    async () => {
      expect(await status()).toMatchObject({
        name: 'posts',
        state: 'outdated',
        version: posts.version,
        live_version: 1,
      });
      expect((await shutterlog('projections', 'rebuild', '--outdated', 'posts')).code).toBe(2);
    },
    LIMIT_MS,
  );

  it(
    'builds the new version beside the old one, of events of both versions in one log, and switches only the readers of its code',
    async () => {
      await world.append(
        happened('PostCreated', {
          ...fresh,
          caption: null,
          mediaIds: [plain, described],
          filter: null,
          altTexts: { [described]: 'a new release' },
          location: null,
          commentsDisabled: false,
        }),
        happened('PostPublished', { ...fresh, publishedAt: '2026-12-01T00:00:00.000Z' }),
      );
      const before = await rowsOf('posts_5.post');
      const { code, out, err } = await shutterlog('projections', 'rebuild', '--outdated', '--json');
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
      expect((JSON.parse(out) as { rebuilt: string[] }).rebuilt).toEqual(allProjections.map(({ name }) => name));
      expect(await buildOf(new Map([['posts', 1]]))).toBe(OLD_BUILD);
      expect(await buildOf(codeVersions)).not.toBe(OLD_BUILD);
      expect((await listBuilds(world.pool, 'posts')).map(({ version, state }) => ({ version, state }))).toEqual([
        { version: 1, state: 'previous' },
        { version: posts.version, state: 'live' },
      ]);
      expect(await rowsOf('posts_5.post')).toEqual(before);
    },
    LIMIT_MS,
  );

  it('knows everything that the old version knew, and what it did not know of the past', async () => {
    const { location } = (await listBuilds(world.pool, 'posts')).find(({ state }) => state === 'live')!;
    const old = new Map((await rowsOf('posts_5.post')).map((row) => [row['post_id'], row]));
    const now = (await rowsOf(`${location}.post`)).filter(({ post_id }) => post_id !== fresh.postId);
    expect(now).toHaveLength(old.size);
    // Positions are those of a log: an archive that is imported makes another one.
    for (const { edited_at, settled_position, ...row } of now) {
      const { settled_position: settled, ...known } = old.get(row['post_id'])!;
      expect(row).toEqual(known);
      expect(settled_position === null).toBe(settled === null);
      expect(edited_at === null).toBe(row['post_id'] !== boats);
    }
    const media = await rowsOf(`${location}.post_media`);
    expect(media.filter(({ post_id }) => post_id !== fresh.postId)).toEqual(await rowsOf('posts_5.post_media'));
    expect(media.filter(({ post_id }) => post_id === fresh.postId).map(({ alt_text }) => alt_text)).toEqual([
      null,
      'a new release',
    ]);
  });

  it('shows readers the posts of both versions', async () => {
    const cards = await postCards({ sql: world.pool, builds: await resolveBuilds(world.pool, codeVersions) }, ann, [
      boats,
      fresh.postId,
    ]);
    expect(cards).toMatchObject([
      {
        post_id: boats,
        caption: 'two boats at dusk #harbour #dusk',
        edited_at: new Date('2026-11-25T16:42:36.484Z'),
        like_count: 2,
      },
      { post_id: fresh.postId, caption: null, edited_at: null },
    ]);
    expect(cards[0]!.media.map(({ media_id, alt_text }) => ({ media_id, alt_text }))).toContainEqual({
      media_id: boatPhoto,
      alt_text: 'boats',
    });
  });

  it(
    'is equal to its log, and has nothing left to build',
    async () => {
      expect(await status()).toMatchObject({ live_version: posts.version });
      expect((await shutterlog('projections', 'verify', '--all')).code).toBe(0);
      const again = await shutterlog('projections', 'rebuild', '--outdated');
      expect(again).toMatchObject({
        code: 0,
        out: expect.stringContaining('every live build is of the code’s version'),
      });
    },
    LIMIT_MS,
  );

  it(
    'leaves a build of another log to the operator',
    async () => {
      await world.pool.query(
        `update projections.build set store_id = $1, version = 1 where projection = 'saves' and state = 'live'`,
        [crypto.randomUUID()],
      );
      const { code, out, err } = await shutterlog('projections', 'rebuild', '--outdated');
      expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('every live build') });
      expect(err).toContain('saves: built from another log, and left alone');
    },
    LIMIT_MS,
  );
});
