import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import { declaredOf, unreachable } from '../models/batch.ts';
import type { LaneGroup } from '../lane-projection.ts';

const pairTypes = [
  'AccountFollowed',
  'FollowRequestAccepted',
  'FollowEnded',
  'AccountBlocked',
  'AccountUnblocked',
  'AccountMuted',
  'AccountUnmuted',
  'CloseFriendAdded',
  'CloseFriendRemoved',
] as const;
const authorTypes = ['CelebrityStatusGranted', 'CelebrityStatusRevoked', 'AccountErased'] as const;
const entryTypes = [
  'PostPublished',
  'PostArchived',
  'PostUnarchived',
  'PostDeleted',
  'StoryPublished',
  'StoryDeleted',
] as const;

/** What changes the feeds of posts. */
export const postFeedTypes = [
  'AccountFollowed',
  'FollowRequestAccepted',
  'FollowEnded',
  'AccountBlocked',
  'AccountUnblocked',
  'AccountMuted',
  'AccountUnmuted',
  ...authorTypes,
  'PostPublished',
  'PostArchived',
  'PostUnarchived',
  'PostDeleted',
] as const;
/** What changes the trays of stories. */
export const storyTrayTypes = [...pairTypes, ...authorTypes, 'StoryPublished', 'StoryDeleted'] as const;

/** An author's entries in one viewer's feed. */
export type Pair = { readonly author: string; readonly viewer: string };

/**
 * What a batch of a lane may have changed in feeds, as the things to bring in line with the PostgreSQL models. All
 * entries of an author are the business of the author's lane alone, whoever caused the event.
 */
export type FanOutWork = {
  /** Posts or stories that appeared, vanished or came back, and whose they are. */
  readonly entries: ReadonlyMap<string, string>;
  readonly pairs: readonly Pair[];
  /** Authors whose entries enter or leave all feeds at once. */
  readonly authors: ReadonlySet<string>;
  /** Accounts that no longer have feeds. */
  readonly gone: ReadonlySet<string>;
};

/**
 * Collects the work of a batch of some lanes; the order of its events no longer matters, because the models have passed
 * them all.
 */
export function workOf(lanes: LaneGroup, events: readonly DomainEvent[]): FanOutWork {
  const entries = new Map<string, string>();
  const pairs = new Map<string, Pair>();
  const authors = new Set<string>();
  const gone = new Set<string>();
  for (const event of declaredOf(pairTypes, events)) {
    for (const pair of pairsOf(event)) if (lanes.owns(pair.author)) pairs.set(`${pair.author} ${pair.viewer}`, pair);
  }
  for (const { data } of declaredOf(entryTypes, events)) {
    if (lanes.owns(data.authorId)) entries.set('postId' in data ? data.postId : data.storyId, data.authorId);
  }
  for (const {
    type,
    data: { accountId },
  } of declaredOf(authorTypes, events)) {
    if (!lanes.owns(accountId)) continue;
    authors.add(accountId);
    if (type === 'AccountErased') gone.add(accountId);
  }
  return { entries, pairs: [...pairs.values()], authors, gone };
}

function pairsOf(event: EventOfType<(typeof pairTypes)[number]>): Pair[] {
  switch (event.type) {
    case 'AccountFollowed':
    case 'FollowRequestAccepted':
    case 'FollowEnded':
      return [{ author: event.data.followeeId, viewer: event.data.followerId }];
    case 'AccountBlocked':
    case 'AccountUnblocked':
      return bothWays(event.data.blockerId, event.data.blockedId);
    case 'AccountMuted':
    case 'AccountUnmuted':
      return [{ author: event.data.mutedId, viewer: event.data.muterId }];
    case 'CloseFriendAdded':
    case 'CloseFriendRemoved':
      return [{ author: event.data.accountId, viewer: event.data.friendId }];
    default:
      return unreachable(event);
  }
}

function bothWays(one: string, other: string): Pair[] {
  return [
    { author: one, viewer: other },
    { author: other, viewer: one },
  ];
}
