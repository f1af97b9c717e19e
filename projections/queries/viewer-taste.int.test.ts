import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../infra/ids.ts';
import { happened } from '../../testing/projection-spec.ts';
import { openReadWorld, type ReadWorld } from '../../testing/read-world.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { codeVersions } from '../catalog.ts';
import { viewerTaste } from './viewer-taste.ts';

let world: ReadWorld;
beforeAll(async () => {
  world = await openReadWorld();
});
afterAll(() => world.close());

const NOW = new Date();
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 86_400_000).toISOString();
/** The route waits for all models that taste is read from. */
const settled = (viewer: Awaited<ReturnType<ReadWorld['person']>>) => world.get('/v1/feed/hashtag/sea', viewer);
async function tasteOf(viewer: Awaited<ReturnType<ReadWorld['person']>>) {
  expect((await settled(viewer)).status).toBe(200);
  return viewerTaste({ sql: world.pool, builds: await resolveBuilds(world.pool, codeVersions) }, viewer, NOW);
}

it('weighs a like 0.3, a comment 0.4 and a save 0.2 of a hundred, for the viewer alone, over thirty days', async () => {
  const [ann, ben, viewer, other] = [
    await world.person('ann'),
    await world.person('ben'),
    await world.person('viewer'),
    await world.person('other'),
  ];
  const [first, second] = [
    await world.post(ann, { caption: 'At the #sea' }),
    await world.post(ann, { caption: 'Again at the #sea in the #sun' }),
  ];
  const old = await world.post(ben, { caption: '#forest' });
  await world.tell(
    happened('PostLiked', { postId: first, accountId: viewer, authorId: ann }, daysAgo(1)),
    happened('PostLiked', { postId: second, accountId: viewer, authorId: ann }, daysAgo(29)),
    happened('PostSaved', { postId: first, accountId: viewer }, daysAgo(2)),
    happened(
      'CommentAdded',
      {
        commentId: newId.comment(),
        postId: second,
        postAuthorId: ann,
        accountId: viewer,
        parentCommentId: null,
        text: 'Nice',
      },
      daysAgo(3),
    ),
    happened('PostLiked', { postId: old, accountId: viewer, authorId: ben }, daysAgo(31)),
    happened('PostLiked', { postId: old, accountId: other, authorId: ben }, daysAgo(1)),
  );
  const taste = await tasteOf(viewer);
  expect([...taste.authors.keys()]).toEqual([ann]);
  expect(taste.authors.get(ann)).toBeCloseTo((0.3 + 0.3 + 0.2 + 0.4) / 100, 10);
  expect([...taste.tags].sort()).toEqual([
    ['sea', 1],
    ['sun', 0.5],
  ]);
  expect([...(await tasteOf(other)).authors]).toEqual([[ben, 0.003]]);
});

it('is empty for one who did nothing', async () => {
  const taste = await tasteOf(await world.person('nobody'));
  expect([taste.authors.size, taste.tags.size]).toEqual([0, 0]);
});
