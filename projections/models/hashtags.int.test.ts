import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { aPost, erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { hashtags } from './hashtags.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(hashtags);
});
afterAll(() => spec.close());

const [ann, ben] = several.accounts(2) as [AccountId, AccountId];
const [first, second] = several.posts(2) as [PostId, PostId];
const one = { postId: first, authorId: ann };
const two = { postId: second, authorId: ben };
const caption = (of: typeof one, text: string) => happened('CaptionEdited', { ...of, caption: text });

describe('hashtags', () => {
  it('lists a post under its tags once it is published', async () => {
    const { tables } = await spec.project([
      aPost.created(one, { caption: '#Sea and #sun' }),
      aPost.created(two, { caption: '#sea' }),
      aPost.published(one),
    ]);
    expect(tables['post_hashtag']).toMatchObject([
      { tag: 'sea', post_id: first },
      { tag: 'sun', post_id: first },
    ]);
    expect(tables['hashtag']).toMatchObject([
      { tag: 'sea', posts: '1' },
      { tag: 'sun', posts: '1' },
    ]);
  });

  it('keeps tags apart that a search finds together', async () => {
    const { tables } = await spec.project([
      aPost.created(one, { caption: '#Øya and #oya' }),
      aPost.published(one),
      aPost.created(two, { caption: '#øya' }),
      aPost.published(two),
    ]);
    expect(tables['hashtag']).toEqual([
      { tag: 'oya', posts: '1', search_text: 'oya' },
      { tag: 'øya', posts: '2', search_text: 'oya' },
    ]);
  });

  it('follows an edited caption', async () => {
    const { tables } = await spec.project([
      aPost.created(one, { caption: '#sea #sun' }),
      aPost.published(one),
      caption(one, '#sun #sand'),
    ]);
    expect(tables['hashtag']).toMatchObject([
      { tag: 'sand', posts: '1' },
      { tag: 'sun', posts: '1' },
    ]);
  });

  it('hides an archived post, brings it back at its own time, and drops a deleted one', async () => {
    const shown = [aPost.created(one, { caption: '#sea' }), aPost.published(one, '2026-01-01T00:00:00.000Z')];
    expect((await spec.project([...shown, happened('PostArchived', one)])).tables).toMatchObject({
      post_hashtag: [],
      hashtag: [],
    });
    expect(
      (await spec.project([...shown, happened('PostArchived', one), happened('PostUnarchived', one)])).tables,
    ).toMatchObject({ post_hashtag: [{ published_at: new Date('2026-01-01T00:00:00.000Z') }] });
    expect((await spec.project([...shown, aPost.deleted(one), caption(one, '#sea')])).tables).toMatchObject({
      tagged_post: [{ tags: [], status: 'deleted' }],
      post_hashtag: [],
      hashtag: [],
    });
  });

  it('drops the tags of an erased account, also of a post that was on its way', async () => {
    const { tables } = await spec.project([
      aPost.created(one, { caption: '#sea' }),
      aPost.published(one),
      aPost.created(two, { caption: '#sea' }),
      aPost.published(two),
      erased(ann),
      caption(one, '#late'),
    ]);
    expect(tables['hashtag']).toMatchObject([{ tag: 'sea', posts: '1' }]);
    expect(
      (await spec.project([erased(ann), aPost.created(one, { caption: '#late' }), aPost.published(one)])).tables,
    ).toMatchObject({ post_hashtag: [], hashtag: [] });
  });

  it('counts its own rows however a random history is cut into batches', async () => {
    const post = fc.constantFrom(one, two);
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      { weight: 2, arbitrary: post.map((of) => aPost.published(of)) },
      {
        weight: 2,
        arbitrary: fc.tuple(post, fc.constantFrom('#sea', '#sea #sun', '')).map(([of, text]) => caption(of, text)),
      },
      ...(['PostArchived', 'PostUnarchived', 'PostDeleted'] as const).map((type) =>
        post.map((of) => happened(type, of)),
      ),
      fc.constantFrom(ann, ben).map(erased),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fact, { maxLength: 15 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        async (history, splits) => {
          const { tables } = await spec.project(
            [aPost.created(one, { caption: '#sea' }), aPost.created(two, { caption: '#sun #sea' }), ...history],
            splits,
          );
          for (const tag of ['sea', 'sun']) {
            const rows = tables['post_hashtag']!.filter((row) => row['tag'] === tag).length;
            expect(Number(tables['hashtag']!.find((row) => row['tag'] === tag)?.['posts'] ?? 0)).toBe(rows);
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});
