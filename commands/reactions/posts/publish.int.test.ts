import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId, PostId } from '../../../domain/ids.ts';
import { mediaDecider, type MediaCommand } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import { newId } from '../../../infra/ids.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { forgetProgress, startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { deletePost } from '../../posts/delete-post.ts';
import { deleteStory } from '../../stories/delete-story.ts';
import { handle } from '../../handle.ts';
import { postStory } from '../../stories/post-story.ts';
import { publishPosts } from './publish-posts.ts';
import { publishStories } from './publish-stories.ts';

let world: ContentWorld;
let ann: AccountId;
let reactor: TestReactor;

const start = () => startReactor(world, [publishPosts(world), publishStories(world)]);

beforeAll(async () => {
  world = await openContentWorld();
  ann = await world.account();
  reactor = await start();
});
afterAll(async () => {
  await reactor.stop();
  await world.close();
});

const change = (mediaId: MediaId, command: MediaCommand) =>
  handle(world, world.as('system'), {
    decider: mediaDecider,
    streamId: streamOf.media(mediaId),
    command,
    owners: () => [ann],
  });
const finish = (mediaId: MediaId) =>
  change(mediaId, {
    type: 'RecordProcessed',
    result: { width: 4, height: 3, durationMs: null, blurhash: 'L0', variants: [], camera: null },
  });
const reject = (mediaId: MediaId) => change(mediaId, { type: 'RejectMedia', reason: 'media_corrupt' });

async function story(mediaId: MediaId) {
  const posted = await postStory(world, world.as(ann), { authorId: ann, mediaId, durationMs: null, audience: 'all' });
  if (!posted.ok) throw new Error(posted.refusal.code);
  return posted.storyId;
}

describe('a post', () => {
  it('is published when the last of its media is ready', async () => {
    const [one, two] = [await world.uploaded(ann), await world.uploaded(ann)];
    const postId = await world.post(ann, [one, two]);
    await finish(two);
    await reactor.caughtUp();
    expect(await world.postState(postId)).toMatchObject({ status: 'processing' });
    await finish(one);
    await reactor.caughtUp();
    expect(await world.postState(postId)).toMatchObject({ status: 'published' });
  });

  it('is published when its media became ready after its command had looked at them and before its event', async () => {
    const [mediaId, postId] = [await world.uploaded(ann), newId.post()];
    await finish(mediaId);
    await reactor.caughtUp();
    await world.record(streamOf.post(postId), {
      type: 'PostCreated',
      data: {
        postId,
        authorId: ann,
        caption: null,
        mediaIds: [mediaId],
        filter: null,
        altTexts: {},
        location: null,
        commentsDisabled: false,
      },
    });
    await reactor.caughtUp();
    expect(await world.types(streamOf.post(postId))).toEqual(['PostCreated', 'PostPublished']);
  });

  it('is rejected with the reason when one of its media cannot be shown', async () => {
    const [one, two] = [await world.uploaded(ann), await world.uploaded(ann)];
    const postId = await world.post(ann, [one, two]);
    await finish(one);
    await reject(two);
    await reactor.caughtUp();
    expect(await world.postState(postId)).toMatchObject({ status: 'rejected', reason: 'media_corrupt' });
  });

  it('is rejected when one of its media is deleted while it waits', async () => {
    const [one, two] = [await world.uploaded(ann), await world.uploaded(ann)];
    const postId = await world.post(ann, [one, two]);
    await change(one, { type: 'DeleteMedia' });
    await finish(two);
    await reactor.caughtUp();
    expect(await world.postState(postId)).toMatchObject({ status: 'rejected', reason: 'media_deleted' });
  });

  it('that is deleted before its media are ready stays deleted', async () => {
    const mediaId = await world.uploaded(ann);
    const postId = await world.post(ann, [mediaId]);
    await deletePost(world, world.as(ann), { accountId: ann, postId });
    await finish(mediaId);
    await reactor.caughtUp();
    expect(await world.types(streamOf.post(postId))).toEqual(['PostCreated', 'PostDeleted']);
    expect((await world.pool.query('select 1 from reactions.awaited_media where waiter = $1', [postId])).rows).toEqual(
      [],
    );
  });

  it('is published once, however often everything is delivered', async () => {
    const mediaId = await world.uploaded(ann);
    const posts = [await world.post(ann, [mediaId]), await world.post(ann, [mediaId])];
    await finish(mediaId);
    await reactor.caughtUp();
    await reactor.stop();
    await forgetProgress(world);
    reactor = await start();
    await reactor.caughtUp();
    for (const postId of posts)
      expect(await world.types(streamOf.post(postId))).toEqual(['PostCreated', 'PostPublished']);
  });

  it('never waits for ever, in whatever order posts are made, media settled and posts deleted', async () => {
    type Tale = { media: MediaId[]; posts: PostId[] };
    const index = fc.nat(2);
    const step = fc.oneof(
      fc.tuple(index, index).map(([one, two]) => async ({ media, posts }: Tale) => {
        posts.push(
          ...(await world.post(ann, [...new Set([media[one]!, media[two]!])]).then(
            (id) => [id],
            () => [],
          )),
        );
      }),
      index.map(
        (which) =>
          ({ media }: Tale) =>
            finish(media[which]!),
      ),
      index.map(
        (which) =>
          ({ media }: Tale) =>
            reject(media[which]!),
      ),
      index.map(
        (which) =>
          ({ posts }: Tale) =>
            Promise.all(
              posts
                .slice(which, which + 1)
                .map((postId) => deletePost(world, world.as(ann), { accountId: ann, postId })),
            ),
      ),
      fc.constant(() => reactor.caughtUp()),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
        const tale: Tale = { media: await Promise.all([0, 1, 2].map(() => world.uploaded(ann))), posts: [] };
        for (const tell of steps) await tell(tale);
        const { media, posts } = tale;
        for (const mediaId of media) await finish(mediaId);
        await reactor.caughtUp();
        // What was published just now stands behind that point of the log.
        await reactor.caughtUp();
        for (const postId of posts) {
          const types = await world.types(streamOf.post(postId));
          const settled = types.filter((type) => type === 'PostPublished' || type === 'PostRejected').length;
          expect(types.includes('PostDeleted') || settled === 1, types.join()).toBe(true);
          expect(settled).toBeLessThanOrEqual(1);
          expect(types.slice(types.indexOf('PostDeleted') + 1 || types.length)).toEqual([]);
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe('a story', () => {
  it('is published when its medium is ready, for 24 hours from then', async () => {
    const mediaId = await world.uploaded(ann);
    const storyId = await story(mediaId);
    await finish(mediaId);
    await reactor.caughtUp();
    const [, published] = await world.store.readStream(streamOf.story(storyId));
    const { publishedAt, expiresAt } = published?.data as { publishedAt: string; expiresAt: string };
    expect(Date.parse(expiresAt) - Date.parse(publishedAt)).toBe(24 * 3_600_000);
  });

  it('is published when its medium became ready after its command had looked at it and before its event', async () => {
    const [mediaId, storyId] = [await world.uploaded(ann), newId.story()];
    await finish(mediaId);
    await reactor.caughtUp();
    await world.record(streamOf.story(storyId), {
      type: 'StoryPosted',
      data: { storyId, authorId: ann, mediaId, durationMs: 5_000, audience: 'all' },
    });
    await reactor.caughtUp();
    expect(await world.types(streamOf.story(storyId))).toEqual(['StoryPosted', 'StoryPublished']);
  });

  it('is rejected when its medium cannot be shown', async () => {
    const mediaId = await world.uploaded(ann);
    const storyId = await story(mediaId);
    await reject(mediaId);
    await reactor.caughtUp();
    expect(await world.types(streamOf.story(storyId))).toEqual(['StoryPosted', 'StoryRejected']);
  });

  it('that is taken down before its medium is ready stays down', async () => {
    const mediaId = await world.uploaded(ann);
    const storyId = await story(mediaId);
    await deleteStory(world, world.as(ann), { accountId: ann, storyId });
    await finish(mediaId);
    await reactor.caughtUp();
    expect(await world.types(streamOf.story(storyId))).toEqual(['StoryPosted', 'StoryDeleted']);
  });
});
