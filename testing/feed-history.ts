import { randomUUID } from 'node:crypto';
import { parseEvent, type AnyEvent, type DomainEvent, type EventType } from '../domain/event-log.ts';
import type { AccountId, PostId, StoryId } from '../domain/ids.ts';
import { Position } from '../domain/position.ts';
import { newId } from '../infra/ids.ts';

/** One wish of a random history; those that make no sense when their turn comes are left out. */
export type Wish = { readonly does: number; readonly who: number; readonly whom: number; readonly which: number };

type Entry = {
  readonly author: AccountId;
  shown: boolean;
  ended: boolean;
  readonly at: Date;
  readonly closeOnly: boolean;
};

/** A small world that makes events out of wishes, and knows by plain means what every feed must hold. */
export type FeedHistory = {
  readonly accounts: readonly AccountId[];
  readonly log: DomainEvent[];
  wish(wish: Wish): void;
  /** Ids of the entries that a viewer's feed must hold, newest first. */
  feedOf(kind: 'post' | 'story', viewer: AccountId, limits: { entries: number; windowMs: number }): string[];
};

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A history at the clock time `now` that begins with `size` accounts. */
export function createFeedHistory(now: Date, size: number): FeedHistory {
  const log: DomainEvent[] = [];
  const accounts = Array.from({ length: size }, () => newId.account());
  const alive = new Set<AccountId>(accounts);
  const celebrities = new Set<AccountId>();
  const pairs = {
    follow: new Set<string>(),
    block: new Set<string>(),
    mute: new Set<string>(),
    close: new Set<string>(),
  };
  const posts = new Map<PostId, Entry>();
  const stories = new Map<StoryId, Entry>();
  const pairOf = (one: AccountId, other: AccountId) => `${one} ${other}`;

  const say = <T extends EventType>(
    type: T,
    owners: readonly AccountId[],
    data: Extract<AnyEvent, { type: T }>['data'],
  ) => {
    log.push(record(log.length + 1, { type, owners, data, at: now }));
  };
  for (const accountId of accounts) {
    const username = accountId.slice(-20);
    say('AccountRegistered', [accountId], {
      accountId,
      username,
      email: `${username}@example.com`,
      fullName: 'Somebody',
      privacy: 'public',
    });
  }
  const pick = <T>(items: Iterable<T>, index: number): T | undefined => {
    const all = [...items];
    return all[index % Math.max(1, all.length)];
  };

  function follow(a: AccountId, b: AccountId, asked: boolean): void {
    if (pairs.follow.has(pairOf(a, b)) || pairs.block.has(pairOf(a, b)) || pairs.block.has(pairOf(b, a))) return;
    pairs.follow.add(pairOf(a, b));
    say(asked ? 'FollowRequestAccepted' : 'AccountFollowed', [b, a], { followerId: a, followeeId: b });
  }

  function endFollow(a: AccountId, b: AccountId, reason: 'unfollowed' | 'blocked'): void {
    if (pairs.follow.delete(pairOf(a, b))) say('FollowEnded', [b, a], { followerId: a, followeeId: b, reason });
  }

  function block(a: AccountId, b: AccountId): void {
    if (pairs.block.delete(pairOf(a, b))) return say('AccountUnblocked', [a, b], { blockerId: a, blockedId: b });
    pairs.block.add(pairOf(a, b));
    say('AccountBlocked', [a, b], { blockerId: a, blockedId: b });
    endFollow(a, b, 'blocked');
    endFollow(b, a, 'blocked');
  }

  function mute(a: AccountId, b: AccountId): void {
    if (pairs.mute.delete(pairOf(a, b))) return say('AccountUnmuted', [b], { muterId: a, mutedId: b });
    pairs.mute.add(pairOf(a, b));
    say('AccountMuted', [b], { muterId: a, mutedId: b });
  }

  function befriend(a: AccountId, b: AccountId): void {
    if (pairs.close.delete(pairOf(a, b))) return say('CloseFriendRemoved', [a], { accountId: a, friendId: b });
    pairs.close.add(pairOf(a, b));
    say('CloseFriendAdded', [a], { accountId: a, friendId: b });
  }

  function relate(a: AccountId, b: AccountId, does: number): void {
    if (does < 4) follow(a, b, does === 3);
    else if (does === 4) endFollow(a, b, 'unfollowed');
    else if (does === 5) block(a, b);
    else if (does === 6) mute(a, b);
    else befriend(a, b);
  }

  function post(a: AccountId, does: number, which: number): void {
    if (does < 12) {
      // Coarse times, so that several entries share a millisecond; some lie just before the window.
      const at = new Date(now.getTime() - (which % 8) * DAY_MS - (Math.floor(which / 8) % 3) * MINUTE_MS - MINUTE_MS);
      const postId = newId.post();
      posts.set(postId, { author: a, shown: true, ended: false, at, closeOnly: false });
      say('PostCreated', [a], {
        postId,
        authorId: a,
        caption: null,
        mediaIds: [newId.media()],
        filter: null,
        altTexts: null,
        location: null,
        commentsDisabled: false,
      });
      say('PostPublished', [a], { postId, authorId: a, publishedAt: at.toISOString() });
      return;
    }
    const chosen = pick(
      [...posts].filter(([, entry]) => entry.author === a && !entry.ended),
      which,
    );
    if (chosen === undefined) return;
    const [postId, entry] = chosen;
    if (does === 12) {
      entry.ended = true;
      say('PostDeleted', [a], { postId, authorId: a });
    } else {
      say(entry.shown ? 'PostArchived' : 'PostUnarchived', [a], { postId, authorId: a });
      entry.shown = !entry.shown;
    }
  }

  function story(a: AccountId, does: number, which: number): void {
    if (does < 17) {
      const at = new Date(now.getTime() - (which % 26) * 60 * MINUTE_MS - MINUTE_MS);
      const storyId = newId.story();
      const audience = which % 3 === 0 ? ('close_friends' as const) : ('all' as const);
      stories.set(storyId, { author: a, shown: true, ended: false, at, closeOnly: audience === 'close_friends' });
      say('StoryPosted', [a], { storyId, authorId: a, mediaId: newId.media(), durationMs: 5_000, audience });
      say('StoryPublished', [a], {
        storyId,
        authorId: a,
        audience,
        publishedAt: at.toISOString(),
        expiresAt: new Date(at.getTime() + DAY_MS).toISOString(),
      });
      return;
    }
    const chosen = pick(
      [...stories].filter(([, entry]) => entry.author === a && !entry.ended),
      which,
    );
    if (chosen === undefined) return;
    chosen[1].ended = true;
    say('StoryDeleted', [a], { storyId: chosen[0], authorId: a });
  }

  function standing(a: AccountId, does: number): void {
    if (does === 18) {
      if (celebrities.delete(a))
        return say('CelebrityStatusRevoked', [a], { accountId: a, followerCount: 1, threshold: 10 });
      celebrities.add(a);
      say('CelebrityStatusGranted', [a], { accountId: a, followerCount: 10, threshold: 10 });
    } else if (alive.size > 2) {
      alive.delete(a);
      say('AccountErased', [a], { accountId: a });
    }
  }

  return {
    accounts,
    log,
    wish: ({ does, who, whom, which }) => {
      // Commands of those who are erased, and about them, may have been in flight: what they append comes behind the
      // erasure.
      const some = which % 3 === 0 ? accounts : alive;
      const a = pick(some, who);
      const b = pick(
        [...some].filter((one) => one !== a),
        whom,
      );
      if (a === undefined || b === undefined) return;
      const kind = does % 20;
      if (kind < 8) relate(a, b, kind);
      else if (kind < 14) post(a, kind, which);
      else if (kind < 18) story(a, kind, which);
      else if (alive.has(a)) standing(a, kind === 19 && which % 4 > 2 ? 18 : kind);
    },
    feedOf: (kind, viewer, { entries, windowMs }) => {
      const sees = (entry: Entry) => {
        const pair = pairOf(viewer, entry.author);
        return (
          alive.has(viewer) &&
          alive.has(entry.author) &&
          !celebrities.has(entry.author) &&
          pairs.follow.has(pair) &&
          !pairs.mute.has(pair) &&
          !pairs.block.has(pair) &&
          !pairs.block.has(pairOf(entry.author, viewer)) &&
          (!entry.closeOnly || pairs.close.has(pairOf(entry.author, viewer)))
        );
      };
      const all: (readonly [string, Entry])[] = kind === 'post' ? [...posts] : [...stories];
      return all
        .filter(
          ([, entry]) => entry.shown && !entry.ended && entry.at.getTime() > now.getTime() - windowMs && sees(entry),
        )
        .sort(([idA, a], [idB, b]) => b.at.getTime() - a.at.getTime() || (idA < idB ? 1 : -1))
        .slice(0, entries)
        .map(([id]) => id);
    },
  };
}

type Said = {
  readonly type: EventType;
  readonly owners: readonly AccountId[];
  readonly data: unknown;
  readonly at: Date;
};

/** An event as it comes out of the log, at the `place`-th position. */
export function record(place: number, { type, owners, data, at }: Said): DomainEvent {
  const event = parseEvent({
    streamId: `test-${String(place)}`,
    revision: 0n,
    position: Position.parse(place.toString(16).padStart(32, '0')),
    id: randomUUID(),
    type,
    data,
    metadata: {
      $correlationId: 'test',
      $causationId: 'test',
      commandId: randomUUID(),
      actorId: 'system',
      owners: [...owners],
      occurredAt: at.toISOString(),
      schemaVersion: 1,
    },
    createdAt: at,
  });
  if (event === undefined) throw new Error(`${type} is not an event of the domain`);
  return event;
}
