import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId, PostId } from '../../domain/ids.ts';
import { aPost, erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { locationIdOf } from './post-locations.ts';
import { posts } from './posts.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(posts);
});
afterAll(() => spec.close());

const [ann, ben] = several.accounts(2) as [AccountId, AccountId];
const [first, second] = several.posts(2) as [PostId, PostId];
const [photo, other] = several.media(2) as [MediaId, MediaId];
const one = { postId: first, authorId: ann };
const two = { postId: second, authorId: ann };
const harbour = { name: 'Old  Harbour', lat: 53.5461, lng: 9.9661 };

describe('posts', () => {
  it('keeps a post with its media in order, and counts it once it is published', async () => {
    const { tables } = await spec.project([
      aPost.created(
        one,
        { caption: 'at dusk', mediaIds: [other, photo], altTexts: { [other]: 'boats' }, location: harbour },
        '2026-01-01T10:00:00.000Z',
      ),
      aPost.published(one, '2026-01-01T10:00:05.000Z'),
      aPost.created(two),
    ]);
    expect(tables['post']![0]).toMatchObject({
      caption: 'at dusk',
      status: 'published',
      location_id: locationIdOf(harbour),
      location_search: 'old harbour',
      created_at: new Date('2026-01-01T10:00:00.000Z'),
      published_at: new Date('2026-01-01T10:00:05.000Z'),
    });
    expect(tables['post_media']!.slice(0, 2)).toEqual([
      { post_id: first, ordinal: 0, media_id: other, alt_text: 'boats' },
      { post_id: first, ordinal: 1, media_id: photo, alt_text: null },
    ]);
    expect(tables['post_count']).toEqual([{ account_id: ann, posts: '1' }]);
  });

  it('says when a caption was last rewritten', async () => {
    const edited = (caption: string, at: string) => happened('CaptionEdited', { ...one, caption }, at);
    const { tables } = await spec.project([
      aPost.created(one),
      aPost.created(two),
      edited('better', '2026-02-01T00:00:00.000Z'),
      edited('best', '2026-02-03T00:00:00.000Z'),
    ]);
    expect(tables['post']).toMatchObject([
      { caption: 'best', edited_at: new Date('2026-02-03T00:00:00.000Z') },
      { edited_at: null },
    ]);
  });

  it('brings an archived post back at its own time', async () => {
    const archived = happened('PostArchived', one);
    expect((await spec.project([aPost.created(one), aPost.published(one), archived])).tables).toMatchObject({
      post: [{ status: 'archived' }],
      post_count: [],
    });
    const { tables } = await spec.project([
      aPost.created(one),
      aPost.published(one, '2026-01-01T00:00:00.000Z'),
      archived,
      happened('PostUnarchived', one),
    ]);
    expect(tables).toMatchObject({
      post: [{ status: 'published', published_at: new Date('2026-01-01T00:00:00.000Z') }],
      post_count: [{ posts: '1' }],
    });
  });

  it('says why a post was rejected', async () => {
    const { tables } = await spec.project([
      aPost.created(one),
      happened('PostRejected', { ...one, reason: 'unreadable_image' }),
    ]);
    expect(tables['post']).toMatchObject([{ status: 'rejected', reason: 'unreadable_image', published_at: null }]);
  });

  it('keeps of a deleted post only that it is gone, whatever comes after', async () => {
    const { tables } = await spec.project([
      aPost.created(one, { caption: 'mine', location: harbour }),
      aPost.published(one),
      aPost.deleted(one),
      happened('CaptionEdited', { ...one, caption: 'late' }),
      aPost.published(one),
    ]);
    expect(tables).toMatchObject({
      post: [{ status: 'deleted', caption: null, location_name: null, location_id: null, published_at: null }],
      post_media: [],
      post_count: [],
    });
  });

  it("deletes what an erased account posted, also a post that was on its way, and nobody else's", async () => {
    const hers = { postId: second, authorId: ben };
    const { tables } = await spec.project([
      aPost.created(one, { caption: 'mine' }),
      aPost.published(one),
      aPost.created(hers, { caption: 'hers' }),
      aPost.published(hers),
      erased(ann),
      happened('CaptionEdited', { ...one, caption: 'late' }),
    ]);
    expect(tables['post']).toMatchObject([
      { post_id: first, status: 'deleted', caption: null },
      { post_id: second, status: 'published', caption: 'hers' },
    ]);
    expect(tables['post_count']).toEqual([{ account_id: ben, posts: '1' }]);
    const late = await spec.project([
      erased(ann),
      aPost.created(one, { caption: 'late', location: harbour }),
      aPost.published(one),
    ]);
    expect(late.tables).toMatchObject({ post: [], post_media: [], post_count: [] });
  });

  it('counts its published rows however a random history is cut into batches', async () => {
    const post = fc.constantFrom(one, { postId: second, authorId: ben });
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      post.map((of) => aPost.created(of, { caption: 'c', location: harbour })),
      { weight: 2, arbitrary: post.map((of) => aPost.published(of)) },
      ...(['PostArchived', 'PostUnarchived', 'PostDeleted'] as const).map((type) =>
        post.map((of) => happened(type, of)),
      ),
      post.map((of) => happened('PostRejected', { ...of, reason: 'broken' })),
      post.map((of) => happened('CaptionEdited', { ...of, caption: 'edited' })),
      fc.constantFrom(ann, ben).map(erased),
    );
    const created = fc.constant([
      aPost.created(one, { caption: 'x' }),
      aPost.created({ postId: second, authorId: ben }),
    ]);
    await fc.assert(
      fc.asyncProperty(
        created,
        fc.array(fact, { maxLength: 15 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        async (begin, history, splits) => {
          const { tables } = await spec.project([...begin, ...history], splits);
          for (const account of [ann, ben]) {
            const published = tables['post']!.filter(
              (row) => row['author_id'] === account && row['status'] === 'published',
            ).length;
            expect(Number(tables['post_count']!.find((row) => row['account_id'] === account)?.['posts'] ?? 0)).toBe(
              published,
            );
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});
