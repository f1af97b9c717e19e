import { z } from 'zod';
import { unfitCaption } from './caption.ts';
import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, personal, typesOf, type EventOf, type Upcaster } from './event-definition.ts';
import { Filter } from './filter.ts';
import { AccountId, MediaId, PostId } from './ids.ts';
import { LIMITS } from './limits.ts';
import { unusableBy } from './media.ts';
import type { MediaState } from './media-state.ts';
import { nameText, storedText } from './text.ts';

const spot = { lat: z.number().min(-90).max(90), lng: z.number().min(-180).max(180) };
/** Where a post was taken, as its author says. */
export const Place = z.object({ name: nameText(LIMITS.placeName).min(1, 'must not be blank'), ...spot });
const StoredPlace = z.object({ name: storedText(LIMITS.placeName).min(1), ...spot });

const AltText = storedText(LIMITS.altText);
type AltTexts = Partial<Record<MediaId, string>>;

// Only texts that say something: a medium without one is left out.
function altTextsByMedium(mediaIds: readonly MediaId[], texts: readonly string[]): AltTexts {
  return Object.fromEntries(
    mediaIds.map((id, ordinal) => [id, texts[ordinal] ?? '']).filter(([, text]) => text !== ''),
  );
}

const ListedAltTexts = z.object({ mediaIds: z.array(MediaId), altTexts: z.array(z.string()).nullable() });

// Version 1 listed the texts in the order of the media, with an empty one for a medium without, and none at all for
// none.
const altTextsFromList: Upcaster = {
  from: 1,
  lift: (data) => {
    const { mediaIds, altTexts } = ListedAltTexts.parse(data);
    return { ...data, altTexts: altTexts === null ? null : altTextsByMedium(mediaIds, altTexts) };
  },
};

// Events
export const postEvents = [
  defineEvent({
    type: 'PostCreated',
    says: 'An account composed a post; it shows once all its media are ready.',
    subject: 'authorId',
    version: 2,
    upcasters: [altTextsFromList],
    data: {
      postId: PostId,
      authorId: AccountId,
      caption: personal(storedText(LIMITS.caption)),
      mediaIds: z.array(MediaId).min(1).max(LIMITS.mediaPerPost),
      filter: Filter.nullable(),
      /** What those media show that the author described, by medium. */
      altTexts: personal(z.partialRecord(MediaId, AltText.min(1))),
      location: personal(StoredPlace),
      commentsDisabled: z.boolean(),
    },
  }),
  defineEvent({
    type: 'PostPublished',
    says: 'All media of the post are ready: followers see it from now on.',
    data: { postId: PostId, authorId: AccountId, publishedAt: z.iso.datetime() },
  }),
  defineEvent({
    type: 'PostRejected',
    says: 'A medium of the post cannot be shown, so the post never appears.',
    data: { postId: PostId, authorId: AccountId, reason: z.string().max(100) },
  }),
  defineEvent({
    type: 'CaptionEdited',
    says: 'The author rewrote the caption.',
    subject: 'authorId',
    data: { postId: PostId, authorId: AccountId, caption: personal(storedText(LIMITS.caption)) },
  }),
  defineEvent({
    type: 'PostArchived',
    says: 'The author hid the post from everybody else.',
    data: { postId: PostId, authorId: AccountId },
  }),
  defineEvent({
    type: 'PostUnarchived',
    says: 'The author brought the post back, at its own time.',
    data: { postId: PostId, authorId: AccountId },
  }),
  defineEvent({
    type: 'PostDeleted',
    says: 'The post is gone for good.',
    data: { postId: PostId, authorId: AccountId },
  }),
] as const;
export type PostEvent = EventOf<(typeof postEvents)[number]>;

// State
type Composed = {
  readonly postId: PostId;
  readonly authorId: AccountId;
  readonly caption: string | null;
  readonly mediaIds: readonly MediaId[];
  readonly commentsDisabled: boolean;
};
export type PostState =
  | { readonly status: 'absent' }
  | ({ readonly status: 'processing' } & Composed)
  | ({ readonly status: 'published'; readonly publishedAt: string } & Composed)
  | ({ readonly status: 'archived'; readonly publishedAt: string } & Composed)
  | ({ readonly status: 'rejected'; readonly reason: string } & Composed)
  | ({ readonly status: 'deleted' } & Composed);

function evolve(state: PostState, event: PostEvent): PostState {
  if (event.type === 'PostCreated') return { status: 'processing', ...composedOf(event.data) };
  if (state.status === 'absent') throw new Error(`a post began with ${event.type}`);
  return evolveExisting(state, event);
}

function composedOf({ postId, authorId, caption, mediaIds, commentsDisabled }: Composed): Composed {
  return { postId, authorId, caption, mediaIds, commentsDisabled };
}

function evolveExisting(
  state: Exclude<PostState, { status: 'absent' }>,
  event: Exclude<PostEvent, { type: 'PostCreated' }>,
): PostState {
  const composed = composedOf(state);
  switch (event.type) {
    case 'PostPublished':
      return { status: 'published', ...composed, publishedAt: event.data.publishedAt };
    case 'PostRejected':
      return { status: 'rejected', ...composed, reason: event.data.reason };
    case 'CaptionEdited':
      return { ...state, caption: event.data.caption };
    case 'PostArchived':
      return state.status === 'published' ? { ...state, status: 'archived' } : state;
    case 'PostUnarchived':
      return state.status === 'archived' ? { ...state, status: 'published' } : state;
    case 'PostDeleted':
      return { status: 'deleted', ...composed };
    default:
      return event satisfies never;
  }
}

/**
 * What a command about a post (a like, a comment) must know of it: a post that the account may not see looks like none.
 */
export type PostFact =
  | { readonly visible: false }
  | { readonly visible: true; readonly authorId: AccountId; readonly commentsDisabled: boolean };

// Commands
/** As an author composes: one alt text for each medium, in order, or none at all; an empty one says nothing. */
type Composition = Omit<Extract<PostEvent, { type: 'PostCreated' }>['data'], 'altTexts'> & {
  readonly altTexts: readonly string[];
};
type By = { readonly by: AccountId };
export type PostCommand =
  /** `media` are the states of the media, in the order of `mediaIds`; `now` is a time as `toISOString` writes it. */
  | {
      readonly type: 'CreatePost';
      readonly post: Composition;
      readonly media: readonly MediaState[];
      readonly now: string;
    }
  | { readonly type: 'PublishPost'; readonly publishedAt: string }
  | { readonly type: 'RejectPost'; readonly reason: string }
  | ({ readonly type: 'EditCaption'; readonly caption: string } & By)
  | ({ readonly type: 'ArchivePost' } & By)
  | ({ readonly type: 'UnarchivePost' } & By)
  | ({ readonly type: 'DeletePost' } & By);
export type PostRefusal =
  | 'post_id_taken'
  | 'media_not_found'
  | 'media_not_uploaded'
  | 'media_rejected'
  | 'media_repeated'
  | 'alt_texts_mismatch'
  | 'too_many_hashtags'
  | 'hashtag_too_long'
  | 'post_not_found'
  | 'post_not_yours'
  | 'post_not_published';

function createPost(state: PostState, { post, media, now }: Extract<PostCommand, { type: 'CreatePost' }>) {
  if (state.status !== 'absent') return refuse('post_id_taken');
  const why = unfitMedia(post, media) ?? unfitTexts(post);
  if (why !== undefined) return why;
  const { postId, authorId } = post;
  const created: PostEvent = {
    type: 'PostCreated',
    data: { ...post, altTexts: altTextsByMedium(post.mediaIds, post.altTexts) },
  };
  const isReady = media.every(({ status }) => status === 'processed');
  return isReady
    ? accept<PostEvent>(created, { type: 'PostPublished', data: { postId, authorId, publishedAt: now } })
    : accept<PostEvent>(created);
}

function unfitMedia(post: Composition, media: readonly MediaState[]) {
  if (new Set(post.mediaIds).size !== post.mediaIds.length)
    return refuse('media_repeated', 'each medium may appear once');
  for (const [index, mediaId] of post.mediaIds.entries()) {
    const why = unusableBy(media[index] ?? { status: 'absent' }, post.authorId);
    if (why !== undefined) return refuse(why, mediaId);
  }
  return undefined;
}

function unfitTexts(post: Composition) {
  if (post.altTexts.length > 0 && post.altTexts.length !== post.mediaIds.length)
    return refuse('alt_texts_mismatch', 'give one alt text for each medium, or none');
  return unfitCaption(post.caption);
}

// What media processing decides; a post that is gone, or decided already, stays as it is.
function settle(state: PostState, command: Extract<PostCommand, { type: 'PublishPost' | 'RejectPost' }>) {
  if (state.status !== 'processing') return accept<PostEvent>();
  const { postId, authorId } = state;
  return command.type === 'PublishPost'
    ? accept<PostEvent>({ type: 'PostPublished', data: { postId, authorId, publishedAt: command.publishedAt } })
    : accept<PostEvent>({ type: 'PostRejected', data: { postId, authorId, reason: command.reason } });
}

function changeOwn(state: PostState, command: Extract<PostCommand, By>) {
  if (state.status === 'absent' || state.status === 'deleted') return refuse('post_not_found');
  if (state.authorId !== command.by) return refuse('post_not_yours');
  const { postId, authorId } = state;
  switch (command.type) {
    case 'EditCaption':
      return (
        unfitCaption(command.caption) ??
        (command.caption === state.caption
          ? accept<PostEvent>()
          : accept<PostEvent>({ type: 'CaptionEdited', data: { postId, authorId, caption: command.caption } }))
      );
    case 'ArchivePost':
      return turn(state, {
        from: 'published',
        to: 'archived',
        event: { type: 'PostArchived', data: { postId, authorId } },
      });
    case 'UnarchivePost':
      return turn(state, {
        from: 'archived',
        to: 'published',
        event: { type: 'PostUnarchived', data: { postId, authorId } },
      });
    case 'DeletePost':
      return accept<PostEvent>({ type: 'PostDeleted', data: { postId, authorId } });
    default:
      return command satisfies never;
  }
}

function turn(
  state: PostState,
  { from, to, event }: { from: PostState['status']; to: PostState['status']; event: PostEvent },
) {
  if (state.status === to) return accept<PostEvent>();
  return state.status === from ? accept<PostEvent>(event) : refuse('post_not_published');
}

function decide(command: PostCommand, state: PostState) {
  switch (command.type) {
    case 'CreatePost':
      return createPost(state, command);
    case 'PublishPost':
    case 'RejectPost':
      return settle(state, command);
    case 'EditCaption':
    case 'ArchivePost':
    case 'UnarchivePost':
    case 'DeletePost':
      return changeOwn(state, command);
    default:
      return command satisfies never;
  }
}

/** One post: composed, shown once its media are ready, hidden or gone by its author's will. */
export const postDecider: Decider<PostState, PostCommand, PostEvent, PostRefusal> = {
  eventTypes: typesOf(postEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
