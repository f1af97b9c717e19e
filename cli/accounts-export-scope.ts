import { z } from 'zod';
import type { AnyEvent, EventType } from '../domain/event-log.ts';
import type { AccountId } from '../domain/ids.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';

type FieldOf<T extends EventType> = keyof Extract<AnyEvent, { type: T }>['data'];

/**
 * For each event, the fields with the accounts that know of it anyway, whoever caused it: whose own it is, and the
 * other side of what is done in the open. That somebody muted, blocked, turned down or sent away an account, or counts
 * it among close friends, is not told to that account. What somebody looked at or saved stays with that somebody too,
 * though an author sees who viewed a story while it is there. Every type stands here, so that a new one has to be
 * thought about.
 */
const KNOWN_TO: { readonly [T in EventType]: readonly FieldOf<T>[] } = {
  AccountRegistered: ['accountId'],
  ProfileEdited: ['accountId'],
  ProfilePictureChosen: ['accountId'],
  AccountMadePrivate: ['accountId'],
  AccountMadePublic: ['accountId'],
  PasswordChanged: ['accountId'],
  CelebrityStatusGranted: ['accountId'],
  CelebrityStatusRevoked: ['accountId'],
  AccountVerified: ['accountId'],
  VerificationWithdrawn: ['accountId'],
  RegistrationAbandoned: ['accountId'],
  AccountErased: ['accountId'],
  UsernameReserved: ['accountId'],
  UsernameReleased: ['accountId'],
  EmailReserved: ['accountId'],
  EmailReleased: ['accountId'],
  AccountFollowed: ['followerId', 'followeeId'],
  FollowRequested: ['followerId', 'followeeId'],
  FollowRequestAccepted: ['followerId', 'followeeId'],
  FollowRequestDeclined: ['followeeId'],
  FollowRequestWithdrawn: ['followerId', 'followeeId'],
  FollowEnded: ['followeeId'],
  AccountBlocked: ['blockerId'],
  AccountUnblocked: ['blockerId'],
  AccountMuted: ['muterId'],
  AccountUnmuted: ['muterId'],
  CloseFriendAdded: ['accountId'],
  CloseFriendRemoved: ['accountId'],
  UploadRequested: ['ownerId'],
  UploadCompleted: ['ownerId'],
  MediaDerived: ['ownerId'],
  UploadAbandoned: ['ownerId'],
  MediaProcessed: ['ownerId'],
  MediaFormatMade: ['ownerId'],
  MediaRejected: ['ownerId'],
  MediaDeleted: ['ownerId'],
  PostCreated: ['authorId'],
  PostPublished: ['authorId'],
  PostRejected: ['authorId'],
  CaptionEdited: ['authorId'],
  PostArchived: ['authorId'],
  PostUnarchived: ['authorId'],
  PostDeleted: ['authorId'],
  PostLiked: ['accountId', 'authorId'],
  PostUnliked: ['accountId', 'authorId'],
  PostSaved: ['accountId'],
  PostUnsaved: ['accountId'],
  CommentAdded: ['accountId', 'postAuthorId'],
  CommentDeleted: ['deletedBy'],
  CommentLiked: ['accountId'],
  CommentUnliked: ['accountId'],
  StoryPosted: ['authorId'],
  StoryPublished: ['authorId'],
  StoryRejected: ['authorId'],
  StoryDeleted: ['authorId'],
  StoryViewed: ['accountId'],
};
const fieldsByType: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(KNOWN_TO));

const Caused = z.object({ actorId: z.string(), occurredAt: z.string() });
const Data = z.record(z.string(), z.unknown());

/** Who caused an event and when, or undefined for events that are not ours. */
export function causeOf({ metadata }: RecordedEvent): z.infer<typeof Caused> | undefined {
  return Caused.safeParse(metadata).data;
}

/** Whether an event belongs into the export of an account: it caused the event, or knows of it anyway. */
export function isKnownTo(event: RecordedEvent, accountId: AccountId): boolean {
  const data = Data.safeParse(event.data).data ?? {};
  if (followsFromBlock(event, data)) return false;
  return (
    causeOf(event)?.actorId === accountId ||
    (fieldsByType.get(event.type) ?? []).some((field) => data[field] === accountId)
  );
}

// A follow or a request that a block ended would tell the blocked one of the block; the one that blocked has
// AccountBlocked. Requests are taken back by who made them, and by the system for a block alone.
function followsFromBlock(event: RecordedEvent, data: z.infer<typeof Data>): boolean {
  switch (event.type) {
    case 'FollowEnded':
      return data['reason'] === 'blocked';
    case 'FollowRequestWithdrawn':
      return causeOf(event)?.actorId === 'system';
    default:
      return false;
  }
}
