import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AccountId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import { newId } from '../infra/ids.ts';
import { prepareReactionTables } from '../commands/reactions/runner/checkpoints.ts';
import { runCli } from '../testing/cli.ts';
import { openContentWorld, type ContentWorld } from '../testing/content-world.ts';
import { eventually } from '../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';

// Goal: whatever a log would set off, replaying it sets off nothing. Method: a log that every reaction has something to
// do about is rebuilt while everything a reaction could reach is watched; then a reactor is started on the same log, to
// see that all of it was waiting to happen.
const REACTOR = fileURLToPath(new URL('../commands/reactions/main.ts', import.meta.url));
const LIMIT_MS = 240_000;

let world: ContentWorld;
let redis: TestRedis;
let reactor: ChildProcess | undefined;
let [purges, brokers]: Server[] = [];
const called = { purges: 0, brokers: 0 };
let erased: AccountId;

const portOf = async (server: Server) => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return String((server.address() as AddressInfo).port);
};
let env: Record<string, string | undefined>;

beforeAll(async () => {
  [world, redis] = await Promise.all([openContentWorld(), createTestRedis()]);
  purges = createServer((_request, response) => {
    called.purges += 1;
    response.end();
  });
  brokers = createTcpServer((socket) => {
    called.brokers += 1;
    socket.destroy();
  });
  env = {
    ...process.env,
    EVENTSTORE_URL: world.node.url,
    DATABASE_URL: world.databaseUrl,
    REDIS_URL: redis.url,
    MASTER_KEY: world.masterKey,
    JWT_SECRET: 'x'.repeat(40),
    MEDIA_DIR: world.objectsDir,
    CDN_PURGE_URL: `http://127.0.0.1:${await portOf(purges)}/`,
    REACTIONS_FROM: 'start',
    REACTOR_PORT: '0',
    LOG_LEVEL: 'error',
    VIDEO_UPLOADS: 'off',
    CELEBRITY_THRESHOLD: '2',
    CELEBRITY_REVOKE_BELOW: '1',
  };
  await prepareReactionTables(world.pool, []);
  await tellWhatReactionsWaitFor();
}, LIMIT_MS);
afterAll(async () => {
  if (reactor !== undefined) {
    const ended = once(reactor, 'exit');
    reactor.kill('SIGTERM');
    await ended;
  }
  purges?.close();
  brokers?.close();
  await world.close();
  await redis.close();
});

async function tellWhatReactionsWaitFor(): Promise<void> {
  const [ann, ben, shy, star] = await Promise.all([
    world.account(),
    world.account(),
    world.account('private'),
    world.account(),
  ]);
  erased = await world.account();
  const follow = (followerId: AccountId, followeeId: AccountId) =>
    world.record(streamOf.follow(followerId, followeeId), {
      type: 'AccountFollowed',
      data: { followerId, followeeId },
    });
  // A photo to be made ready, and a post and a story that show at once.
  await world.post(ann, [await world.uploaded(ann)]);
  await world.publishedPost(ann);
  const storyId = newId.story();
  await world.record(streamOf.story(storyId), {
    type: 'StoryPosted',
    data: { storyId, authorId: ann, mediaId: await world.ready(ann), durationMs: 5_000, audience: 'all' },
  });
  // Files that nothing shows any more, and caches that know them.
  const postId = await world.publishedPost(ben);
  await world.record(streamOf.post(postId), { type: 'PostDeleted', data: { postId, authorId: ben } });
  await follow(ben, ann);
  await world.record(streamOf.block(ann, ben), { type: 'AccountBlocked', data: { blockerId: ann, blockedId: ben } });
  await world.record(streamOf.follow(ann, shy), {
    type: 'FollowRequested',
    data: { followerId: ann, followeeId: shy },
  });
  await world.record(streamOf.account(shy), { type: 'AccountMadePublic', data: { accountId: shy } });
  await follow(ann, star);
  await follow(ben, star);
  await world.record(streamOf.account(erased), { type: 'AccountErased', data: { accountId: erased } });
}

/** Everything that reactions write to, but for the files' contents. */
async function reachable(): Promise<Record<string, unknown>> {
  const { rows: tables } = await world.pool.query<{ name: string }>(
    `select table_schema || '.' || table_name as name from information_schema.tables where table_schema in ('vault', 'reactions') order by 1`,
  );
  const contents: Record<string, unknown> = {};
  for (const { name } of tables)
    contents[name] = (
      await world.pool.query<Record<string, unknown>>(`select row_to_json(t)::text as row from ${name} t order by 1`)
    ).rows;
  return {
    ...contents,
    head: await world.store.head(),
    files: (await readdir(world.objectsDir, { recursive: true })).sort(),
    ...called,
  };
}

// The post waits for its photo, so that its publication tells of the media job as well.
const OUTCOMES = [
  'MediaProcessed',
  'PostPublished',
  'StoryPublished',
  'MediaDeleted',
  'FollowEnded',
  'FollowRequestAccepted',
  'CelebrityStatusGranted',
];
async function outcomes(): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of world.store.readAll()) if (OUTCOMES.includes(type)) types.push(type);
  return types;
}
const keyIsEmptied = async () =>
  (await world.pool.query('select 1 from vault.data_key where account_id = $1 and erased_at is not null', [erased]))
    .rows.length === 1;

it(
  'no command, job, message or purge comes out of a rebuild, of a log that all of them would come out of',
  async () => {
    const before = await reachable();
    expect(Object.keys(before)).toEqual(expect.arrayContaining(['vault.data_key', 'reactions.checkpoint']));
    const withKafka = { ...env, KAFKA_BROKERS: `127.0.0.1:${await portOf(brokers!)}` };
    for (const args of [['--all'], ['--all', '--verify']]) {
      const { code, err } = await runCli(withKafka, ['projections', 'rebuild', ...args]);
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    }
    expect((await runCli(withKafka, ['projections', 'verify', '--all'])).code).toBe(0);
    expect(await reachable()).toEqual(before);

    const known = await outcomes();
    reactor = spawn(process.execPath, [REACTOR], { env: withKafka, stdio: ['ignore', 'ignore', 'inherit'] });
    await eventually(
      'the reactor does all of it',
      async () => {
        const fresh = (await outcomes()).slice(known.length);
        return (
          OUTCOMES.every((type) => fresh.includes(type)) &&
          called.purges > 0 &&
          called.brokers > 0 &&
          (await keyIsEmptied())
        );
      },
      120_000,
    );
  },
  LIMIT_MS,
);
