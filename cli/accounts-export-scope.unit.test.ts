import { describe, expect, it } from 'vitest';
import type { AnyEvent } from '../domain/event-log.ts';
import { AccountId, CommentId, PostId, StoryId } from '../domain/ids.ts';
import { START_OF_LOG } from '../domain/position.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import { isKnownTo } from './accounts-export-scope.ts';

const account = (digit: string) => AccountId.parse(`acc_${digit.repeat(26)}`);
const [own, other, third] = [account('0'), account('1'), account('2')];
const postId = PostId.parse(`post_${'0'.repeat(26)}`);
const storyId = StoryId.parse(`sty_${'0'.repeat(26)}`);
const commentId = CommentId.parse(`cmt_${'0'.repeat(26)}`);
const asks = { followerId: own, followeeId: other };
const asked = { followerId: other, followeeId: own };

function recorded(actorId: AccountId | 'system', { type, data }: AnyEvent): RecordedEvent {
  const metadata = { actorId, occurredAt: '2025-01-01T00:00:00.000Z' };
  return {
    streamId: `some-${own}-${other}`,
    revision: 0n,
    position: START_OF_LOG,
    id: '00000000-0000-4000-8000-000000000000',
    type,
    data,
    metadata,
    createdAt: new Date(0),
  };
}

/** What another account does without telling: to `own` it is unknown, to the one that does it it is not. */
const SECRET: readonly AnyEvent[] = [
  { type: 'AccountMuted', data: { muterId: other, mutedId: own } },
  { type: 'AccountUnmuted', data: { muterId: other, mutedId: own } },
  { type: 'AccountBlocked', data: { blockerId: other, blockedId: own } },
  { type: 'AccountUnblocked', data: { blockerId: other, blockedId: own } },
  { type: 'CloseFriendAdded', data: { accountId: other, friendId: own } },
  { type: 'CloseFriendRemoved', data: { accountId: other, friendId: own } },
  { type: 'StoryViewed', data: { storyId, authorId: own, accountId: other } },
  { type: 'PostSaved', data: { postId, accountId: other } },
  { type: 'FollowRequestDeclined', data: asks },
  { type: 'FollowEnded', data: { ...asks, reason: 'removed' } },
];

const OPEN: readonly AnyEvent[] = [
  { type: 'AccountFollowed', data: asked },
  { type: 'FollowRequested', data: asked },
  { type: 'FollowRequestWithdrawn', data: asked },
  { type: 'FollowRequestAccepted', data: asks },
  { type: 'FollowEnded', data: { ...asked, reason: 'unfollowed' } },
  { type: 'PostLiked', data: { postId, accountId: other, authorId: own } },
  {
    type: 'CommentAdded',
    data: { commentId, postId, postAuthorId: own, accountId: other, parentCommentId: null, text: 'words' },
  },
];

describe('the export of an account', () => {
  it.each(SECRET)('does not tell of $type by another, which stands in the export of that other', (event) => {
    expect(isKnownTo(recorded(other, event), own)).toBe(false);
    expect(isKnownTo(recorded('system', event), own)).toBe(false);
    expect(isKnownTo(recorded(other, event), other)).toBe(true);
  });

  it.each(OPEN)('tells of $type by another, who does it in the open, and nobody else', (event) => {
    expect(isKnownTo(recorded(other, event), own)).toBe(true);
    expect(isKnownTo(recorded(other, event), other)).toBe(true);
    expect(isKnownTo(recorded(other, event), third)).toBe(false);
  });

  it.each([own, other])('leaves out what a block ended, whichever of the two sides blocked', (blocker) => {
    for (const pair of [asks, asked]) {
      for (const actor of ['system', own, other] as const)
        expect(isKnownTo(recorded(actor, { type: 'FollowEnded', data: { ...pair, reason: 'blocked' } }), own)).toBe(
          false,
        );
      expect(isKnownTo(recorded('system', { type: 'FollowRequestWithdrawn', data: pair }), own)).toBe(false);
    }
    const block = recorded(blocker, {
      type: 'AccountBlocked',
      data: { blockerId: blocker, blockedId: blocker === own ? other : own },
    });
    expect([isKnownTo(block, own), isKnownTo(block, other)]).toEqual([blocker === own, blocker === other]);
  });

  it('tells what the system did for the account, and not what it did for others', () => {
    const published = recorded('system', {
      type: 'PostPublished',
      data: { postId, authorId: own, publishedAt: '2025-01-01T00:00:00.000Z' },
    });
    expect([isKnownTo(published, own), isKnownTo(published, other)]).toEqual([true, false]);
  });

  it('takes an unknown event of another for a secret', () => {
    const unknown = { ...recorded(other, SECRET[0]!), type: 'SomethingNew', data: { accountId: own } };
    expect([isKnownTo(unknown, own), isKnownTo(unknown, other)]).toEqual([false, true]);
  });
});
