import { describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import type { MediaState } from './media-state.ts';
import { isShowing, showingFrom, storyDecider, type StoryCommand, type StoryEvent, type StoryState } from './story.ts';
import { storyViewDecider, type StoryViewEvent } from './story-view.ts';

const given = specify(storyDecider);
const storyId = newId.story();
const authorId = newId.account();
const other = newId.account();
const mediaId = newId.media();
const file = {
  mediaId,
  ownerId: authorId,
  kind: 'image',
  contentType: 'image/jpeg',
  fileSize: 9,
  key: 'uploads/x',
} as const;
const uploaded: MediaState = { status: 'uploaded', ...file, filter: null, cameraConsent: 'camera' };
const showing = showingFrom(Date.UTC(2026, 0, 1));
const story = { storyId, authorId, mediaId, durationMs: 5_000, audience: 'all' } as const;
const post = { type: 'PostStory', story, media: uploaded, showing } as const;

const posted: StoryEvent = { type: 'StoryPosted', data: story };
const published: StoryEvent = { type: 'StoryPublished', data: { storyId, authorId, audience: 'all', ...showing } };
const rejected: StoryEvent = { type: 'StoryRejected', data: { storyId, authorId, reason: 'media_corrupt' } };
const deleted: StoryEvent = { type: 'StoryDeleted', data: { storyId, authorId } };
const publish: StoryCommand = { type: 'PublishStory', showing };
const reject: StoryCommand = { type: 'RejectStory', reason: 'media_corrupt' };

describe('posting a story', () => {
  it('puts it up while its medium is made ready', () => given().when(post).then(posted));
  it('shows it at once when the medium is ready', () => {
    given()
      .when({
        ...post,
        media: {
          status: 'processed',
          ...file,
          filter: null,
          width: 4,
          height: 3,
          durationMs: null,
          blurhash: '',
          variants: [],
          streams: null,
        },
      })
      .then(posted, published);
  });
  it('refuses an id that is in use', () => given(posted).when(post).thenRefused('story_id_taken'));
  it('refuses a medium that does not exist', () =>
    given()
      .when({ ...post, media: { status: 'absent' } })
      .thenRefused('media_not_found'));
  it("does not know another account's medium", () =>
    given()
      .when({ ...post, media: { ...uploaded, ownerId: other } })
      .thenRefused('media_not_found'));
  it('refuses a medium that has not arrived', () =>
    given()
      .when({
        ...post,
        media: { status: 'requested', ...file, sha256: null, expiresAt: showing.expiresAt, cameraConsent: 'camera' },
      })
      .thenRefused('media_not_uploaded'));
  it('refuses a medium that cannot be shown', () =>
    given()
      .when({ ...post, media: { status: 'rejected', ...file, reason: 'media_corrupt' } })
      .thenRefused('media_rejected'));
});

describe('settling a story', () => {
  it('publishes it', () => given(posted).when(publish).then(published));
  it('rejects it', () => given(posted).when(reject).then(rejected));
  it.each<[string, StoryEvent[]]>([
    ['that shows', [posted, published]],
    ['that is rejected', [posted, rejected]],
    ['that was taken down meanwhile', [posted, deleted]],
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

describe('deleting a story', () => {
  it.each<[string, StoryEvent[]]>([
    ['in the making', [posted]],
    ['that shows', [posted, published]],
    ['that is rejected', [posted, rejected]],
  ])('takes down one %s', (_what, past) => {
    given(...past)
      .when({ type: 'DeleteStory', by: authorId })
      .then(deleted);
  });
  it('is for its author alone', () =>
    given(posted, published).when({ type: 'DeleteStory', by: other }).thenRefused('story_not_yours'));
  it('finds it once', () =>
    given(posted, deleted).when({ type: 'DeleteStory', by: authorId }).thenRefused('story_not_found'));
  it('finds no story that never was', () =>
    given().when({ type: 'DeleteStory', by: authorId }).thenRefused('story_not_found'));
});

it('shows for 24 hours from its publication', () => {
  const state = [posted, published].reduce<StoryState>(storyDecider.evolve, storyDecider.initial);
  expect(isShowing(state, '2026-01-01T00:00:00.000Z')).toBe(true);
  expect(isShowing(state, '2026-01-01T23:59:59.999Z')).toBe(true);
  expect(isShowing(state, '2026-01-02T00:00:00.000Z')).toBe(false);
  expect(isShowing(storyDecider.evolve(state, deleted), '2026-01-01T12:00:00.000Z')).toBe(false);
});

it('refuses a stream that does not begin with a story', () => {
  expect(() => storyDecider.evolve({ status: 'absent' }, published)).toThrow('began with StoryPublished');
});

it('obeys the laws of deciders', () =>
  expectLaws(storyDecider, [
    post,
    post,
    publish,
    reject,
    { type: 'DeleteStory', by: other },
    { type: 'DeleteStory', by: authorId },
  ]));

describe('viewing a story', () => {
  const givenView = specify(storyViewDecider);
  const viewed: StoryViewEvent = { type: 'StoryViewed', data: { storyId, authorId, accountId: other } };
  const view = { type: 'ViewStory', storyId, accountId: other, story: { visible: true, authorId } } as const;

  it('is recorded', () => givenView().when(view).then(viewed));
  it('counts once', () => givenView(viewed).when(view).then());
  it('does not count its author', () =>
    givenView()
      .when({ ...view, accountId: authorId })
      .then());
  it('is refused for a story that the account may not see', () =>
    givenView()
      .when({ ...view, story: { visible: false } })
      .thenRefused('story_not_found'));
  it('obeys the laws of deciders', () => expectLaws(storyViewDecider, [view, view]));
});
