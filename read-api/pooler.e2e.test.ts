import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { runCli } from '../testing/cli.ts';
import { openFeedWorld, type FeedWorld } from '../testing/feed-world.ts';
import { pgBouncerForTests, startPgBouncer, type PgBouncer } from '../testing/pgbouncer.ts';
import { happened } from '../testing/projection-spec.ts';
import { startWorld, type World } from '../testing/world.ts';

// Goal: everything works through a pooler in transaction mode, and readers keep what they have read as they do without
// one.
const program = pgBouncerForTests();
const PATIENT = { timeout: 30_000 };
const poolers: PgBouncer[] = [];
const through = async (databaseUrl: string) => {
  const pooler = await startPgBouncer(program ?? '', databaseUrl);
  poolers.push(pooler);
  return pooler;
};

describe.runIf(program !== undefined)('a reader behind a pooler in transaction mode', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await openFeedWorld({ keeping: true, through });
  });
  afterAll(() => world.close());
  const NO_TOKEN = { headers: { 'Consistency-Token': '' } };

  it('answers from what it has kept, and shows at once what the projector changes through the same pooler', async () => {
    const [author, viewer] = [await world.person('pool.author'), await world.person('pool.viewer')];
    await world.follow(viewer, author);
    const postId = await world.post(author, { publishedAt: new Date(Date.now() - 60_000).toISOString() });
    await world.settled();
    const feed = async () => world.feed(viewer, '?order=latest', NO_TOKEN);
    await expect
      .poll(async () => {
        world.trouble.failing = undefined;
        await feed();
        world.trouble.failing = 'post_facts';
        const { status, ids } = await feed();
        return { status, ids };
      }, PATIENT)
      .toEqual({ status: 200, ids: [postId] });
    world.trouble.failing = undefined;
    await world.tell(
      happened('PostLiked', { postId, accountId: viewer, authorId: author }),
      happened('CommentAdded', {
        commentId: newId.comment(),
        postId,
        postAuthorId: author,
        accountId: viewer,
        parentCommentId: null,
        text: 'Yes',
      }),
    );
    await expect
      .poll(async () => (await feed()).body['posts'], PATIENT)
      .toMatchObject([{ is_liked: true, like_count: 1, comment_count: 1 }]);
  });
});

describe.runIf(program !== undefined)('the processes behind a pooler in transaction mode', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ through });
  });
  afterAll(() => world.stop());

  it('take writes, project them and answer reads, with their pools all on the pooler', async () => {
    const [ann, ben] = [await world.person('ann'), await world.person('ben')];
    await world.follow(ann, ben);
    const post = await world.publish(ann, { caption: 'Through the pooler' });
    await world.eventually(
      () => ben.get('/v1/feed'),
      ({ body }) => JSON.stringify(body).includes(post),
    );
    expect((await ben.post(`/v1/posts/${post}/like`)).body).toEqual({ liked: true, like_count: 1 });
    expect((await ben.get('/v1/feed?order=latest')).body).toMatchObject({
      posts: [{ post_id: post, caption: 'Through the pooler', is_liked: true, like_count: 1 }],
    });
    expect(new Set(await poolers.at(-1)?.clients())).toEqual(
      new Set(['read-api', 'write-api', 'projector', 'reactor']),
    );
  });

  it('leave the locks of a session to commands, which rebuild, compare and diagnose beside them', async () => {
    const run = (...args: string[]) => runCli(world.stack.environment, args);
    expect(await run('projections', 'rebuild', 'posts', 'home-feed', '--json')).toMatchObject({ code: 0 });
    expect(await run('projections', 'verify', '--all', '--json')).toMatchObject({ code: 0 });
    const findings = JSON.parse((await run('doctor', '--json')).out) as { check: string; ok: boolean }[];
    expect(findings.filter(({ check }) => check.startsWith('postgresql'))).toMatchObject([
      { check: 'postgresql', ok: true },
      { check: 'postgresql pool', ok: true },
    ]);
  });
});
