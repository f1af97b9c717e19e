import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { expectLaws, historyOf, specify } from '../testing/decider-spec.ts';
import type { MediaState } from './media-state.ts';
import { postDecider, type PostCommand, type PostEvent } from './post.ts';

const given = specify(postDecider);
const postId = newId.post();
const authorId = newId.account();
const other = newId.account();
const mediaId = newId.media();
const now = '2026-01-01T00:00:00.000Z';
const file = {
  mediaId,
  ownerId: authorId,
  kind: 'image',
  contentType: 'image/jpeg',
  fileSize: 9,
  key: 'uploads/x',
} as const;
const uploaded: MediaState = { status: 'uploaded', ...file, filter: null, cameraConsent: 'camera' };
const ready: MediaState = {
  status: 'processed',
  ...file,
  filter: null,
  width: 4,
  height: 3,
  durationMs: null,
  blurhash: '',
  variants: [],
  streams: null,
};
const post = {
  postId,
  authorId,
  caption: 'hello',
  mediaIds: [mediaId],
  filter: null,
  altTexts: [],
  location: null,
  commentsDisabled: false,
};
const create: PostCommand = { type: 'CreatePost', post, media: [uploaded], now };

const created: PostEvent = { type: 'PostCreated', data: { ...post, altTexts: {} } };
const published: PostEvent = { type: 'PostPublished', data: { postId, authorId, publishedAt: now } };
const rejected: PostEvent = { type: 'PostRejected', data: { postId, authorId, reason: 'media_corrupt' } };
const archived: PostEvent = { type: 'PostArchived', data: { postId, authorId } };
const unarchived: PostEvent = { type: 'PostUnarchived', data: { postId, authorId } };
const deleted: PostEvent = { type: 'PostDeleted', data: { postId, authorId } };
const edited: PostEvent = { type: 'CaptionEdited', data: { postId, authorId, caption: 'better' } };

const edit: PostCommand = { type: 'EditCaption', by: authorId, caption: 'better' };
const archive: PostCommand = { type: 'ArchivePost', by: authorId };
const unarchive: PostCommand = { type: 'UnarchivePost', by: authorId };
const remove: PostCommand = { type: 'DeletePost', by: authorId };
const publish: PostCommand = { type: 'PublishPost', publishedAt: now };
const reject: PostCommand = { type: 'RejectPost', reason: 'media_corrupt' };

const hashtags = (count: number) => Array.from({ length: count }, (_, index) => `#tag${index}`).join(' ');

describe('creating a post', () => {
  it('composes it while its media are made ready', () => given().when(create).then(created));
  it('publishes it at once when they are ready', () =>
    given()
      .when({ ...create, media: [ready] })
      .then(created, published));
  it('waits as long as one of them is not', () => {
    const second = newId.media();
    const both = { ...post, mediaIds: [mediaId, second] };
    given()
      .when({ ...create, post: both, media: [ready, { ...uploaded, mediaId: second }] })
      .then({ type: 'PostCreated', data: { ...both, altTexts: {} } });
  });
  it('refuses an id that is in use', () => given(created).when(create).thenRefused('post_id_taken'));
  it('refuses a medium that does not exist', () =>
    given()
      .when({ ...create, media: [{ status: 'absent' }] })
      .thenRefused('media_not_found'));
  it("does not know another account's medium", () =>
    given()
      .when({ ...create, media: [{ ...ready, ownerId: other }] })
      .thenRefused('media_not_found'));
  it('refuses a deleted medium', () =>
    given()
      .when({ ...create, media: [{ status: 'deleted', ...file }] })
      .thenRefused('media_not_found'));
  it('refuses a medium that has not arrived', () =>
    given()
      .when({
        ...create,
        media: [{ status: 'requested', ...file, sha256: null, expiresAt: now, cameraConsent: 'camera' }],
      })
      .thenRefused('media_not_uploaded'));
  it('refuses a medium that cannot be shown', () =>
    given()
      .when({ ...create, media: [{ status: 'rejected', ...file, reason: 'media_corrupt' }] })
      .thenRefused('media_rejected'));
  it('refuses the same medium twice', () =>
    given()
      .when({ ...create, post: { ...post, mediaIds: [mediaId, mediaId] }, media: [ready, ready] })
      .thenRefused('media_repeated'));
  it('keeps an alt text with its medium, and none that is empty', () => {
    const second = newId.media();
    const described = { ...post, mediaIds: [mediaId, second], altTexts: ['', 'a boat'] };
    given()
      .when({ ...create, post: described, media: [uploaded, { ...uploaded, mediaId: second }] })
      .then({ type: 'PostCreated', data: { ...described, altTexts: { [second]: 'a boat' } } });
  });
  it('refuses alt texts for some media only', () =>
    given()
      .when({ ...create, post: { ...post, altTexts: ['a', 'b'] } })
      .thenRefused('alt_texts_mismatch'));
  it('takes 30 hashtags and repeats of them', () => {
    const tagged = { ...post, caption: `${hashtags(30)} #TAG1` };
    given()
      .when({ ...create, post: tagged })
      .then({ type: 'PostCreated', data: { ...tagged, altTexts: {} } });
  });
  it.each([
    ['create', 100, true],
    ['create', 101, false],
    ['edit', 100, true],
    ['edit', 101, false],
  ])('on %s, takes a hashtag of %i characters: %s', (how, length, taken) => {
    const caption = `#${'y'.repeat(length)}`;
    const decided =
      how === 'create'
        ? postDecider.decide({ ...create, post: { ...post, caption } }, postDecider.initial)
        : postDecider.decide(
            { type: 'EditCaption', by: authorId, caption },
            postDecider.evolve(postDecider.initial, created),
          );
    expect(decided.ok || decided.refusal.code).toBe(taken || 'hashtag_too_long');
  });
  it('refuses 31 hashtags', () =>
    given()
      .when({ ...create, post: { ...post, caption: hashtags(31) } })
      .thenRefused('too_many_hashtags'));
});

describe('settling a post', () => {
  it('publishes it', () => given(created).when(publish).then(published));
  it('rejects it', () => given(created).when(reject).then(rejected));
  it.each<[string, PostEvent[]]>([
    ['that is published', [created, published]],
    ['that is rejected', [created, rejected]],
    ['that is archived', [created, published, archived]],
    ['that was deleted meanwhile', [created, deleted]],
    ['that never was', []],
  ])('leaves one alone %s', (_what, past) => {
    given(...past)
      .when(publish)
      .then();
    given(...past)
      .when(reject)
      .then();
  });
});

describe('editing a caption', () => {
  it('rewrites it', () => given(created, published).when(edit).then(edited));
  it('may happen before the post is published', () => given(created).when(edit).then(edited));
  it('changes nothing when it is the same', () => given(created, edited).when(edit).then());
  it('is for the author alone', () =>
    given(created, published)
      .when({ ...edit, by: other })
      .thenRefused('post_not_yours'));
  it('refuses 31 hashtags', () =>
    given(created)
      .when({ type: 'EditCaption', by: authorId, caption: hashtags(31) })
      .thenRefused('too_many_hashtags'));
  it('finds no deleted post', () => given(created, deleted).when(edit).thenRefused('post_not_found'));
  it('finds no post that never was', () => given().when(edit).thenRefused('post_not_found'));
});

describe('archiving a post', () => {
  it('hides it', () => given(created, published).when(archive).then(archived));
  it('changes nothing the second time', () => given(created, published, archived).when(archive).then());
  it('brings it back', () => given(created, published, archived).when(unarchive).then(unarchived));
  it('changes nothing when it is back', () => given(created, published, archived, unarchived).when(unarchive).then());
  it('lets it be hidden again', () => given(created, published, archived, unarchived).when(archive).then(archived));
  it('waits for the publication', () => given(created).when(archive).thenRefused('post_not_published'));
  it('refuses to bring back what never showed', () =>
    given(created, rejected).when(unarchive).thenRefused('post_not_published'));
  it.each([archive, unarchive])('is for the author alone ($type)', (command) =>
    given(created, published)
      .when({ ...command, by: other })
      .thenRefused('post_not_yours'),
  );
  it.each([archive, unarchive])('finds no deleted post ($type)', (command) =>
    given(created, published, deleted).when(command).thenRefused('post_not_found'),
  );
});

describe('deleting a post', () => {
  it.each<[string, PostEvent[]]>([
    ['in the making', [created]],
    ['that is published', [created, published]],
    ['that is rejected', [created, rejected]],
    ['that is archived', [created, published, archived]],
  ])('takes away one %s', (_what, past) =>
    given(...past)
      .when(remove)
      .then(deleted),
  );
  it('is for the author alone', () =>
    given(created, published).when({ type: 'DeletePost', by: other }).thenRefused('post_not_yours'));
  it('finds it once', () => given(created, deleted).when(remove).thenRefused('post_not_found'));
  it('finds no post that never was', () => given().when(remove).thenRefused('post_not_found'));
});

it('refuses a stream that does not begin with a creation', () => {
  expect(() => postDecider.evolve({ status: 'absent' }, published)).toThrow('began with PostPublished');
});

const anyCommand = fc.constantFrom<PostCommand>(
  create,
  { ...create, media: [ready] },
  publish,
  reject,
  edit,
  archive,
  unarchive,
  remove,
  { type: 'DeletePost', by: other },
);

it('is published at most once and says nothing after its deletion, whatever the commands', () => {
  fc.assert(
    fc.property(fc.array(anyCommand, { maxLength: 20 }), (commands) => {
      const types = historyOf(postDecider, commands).events.map(({ type }) => type);
      expect(types.filter((type) => type === 'PostPublished' || type === 'PostRejected').length).toBeLessThanOrEqual(1);
      expect(types.slice(types.indexOf('PostDeleted') + 1 || types.length)).toEqual([]);
    }),
  );
});

it('obeys the laws of deciders', () => {
  fc.assert(
    fc.property(fc.array(anyCommand, { maxLength: 20 }), (commands) => {
      expectLaws(postDecider, commands);
    }),
  );
});
