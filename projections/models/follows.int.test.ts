import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import {
  followCounts,
  followeesAmong,
  followersAmong,
  followersPage,
  followingPage,
  follows,
  isFollowing,
} from './follows.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(follows);
});
afterAll(() => spec.close());

const [ann, ben, cat, dan] = [newId.account(), newId.account(), newId.account(), newId.account()].sort() as [
  ReturnType<typeof newId.account>,
  ...ReturnType<typeof newId.account>[],
];
const pair = (followerId: typeof ann, followeeId: typeof ann) => ({ followerId, followeeId });
const ended = (followerId: typeof ann, followeeId: typeof ann) =>
  happened('FollowEnded', { ...pair(followerId, followeeId), reason: 'unfollowed' });

describe('follows', () => {
  it('shows a follow from when it began, with both counts', async () => {
    const { read, tables } = await spec.project([
      happened('AccountFollowed', pair(ann, ben!), '2026-02-03T04:05:06.789Z'),
    ]);
    expect(tables['follow']).toEqual([
      { follower_id: ann, followee_id: ben, since: new Date('2026-02-03T04:05:06.789Z') },
    ]);
    expect(await isFollowing(read, ann, ben!)).toBe(true);
    expect(await isFollowing(read, ben!, ann)).toBe(false);
    expect(await followCounts(read, [ann, ben!, cat!])).toEqual(
      new Map([
        [ann, { followers: 0, following: 1 }],
        [ben, { followers: 1, following: 0 }],
        [cat, { followers: 0, following: 0 }],
      ]),
    );
  });

  it('forgets a follow that ended, and leaves no count of zero behind', async () => {
    const { tables } = await spec.project([happened('AccountFollowed', pair(ann, ben!)), ended(ann, ben!)]);
    expect(tables).toEqual({
      erased_account: [],
      follow: [],
      follow_request: [],
      follow_count: [],
      follower_of_erased: [],
    });
  });

  it('takes the time of the newest follow after an unfollow', async () => {
    const { tables } = await spec.project([
      happened('AccountFollowed', pair(ann, ben!)),
      ended(ann, ben!),
      happened('AccountFollowed', pair(ann, ben!), '2026-03-01T00:00:00.000Z'),
    ]);
    expect(tables['follow']).toMatchObject([{ since: new Date('2026-03-01T00:00:00.000Z') }]);
    expect(tables['follow_count']).toHaveLength(2);
  });

  it('turns an accepted request into a follow, and drops a declined or withdrawn one', async () => {
    const { tables } = await spec.project([
      happened('FollowRequested', pair(ann, cat!)),
      happened('FollowRequested', pair(ben!, cat!)),
      happened('FollowRequested', pair(dan!, cat!)),
      happened('FollowRequested', pair(dan!, ann)),
      happened('FollowRequestAccepted', pair(ann, cat!)),
      happened('FollowRequestDeclined', pair(ben!, cat!)),
      happened('FollowRequestWithdrawn', pair(dan!, cat!)),
    ]);
    expect(tables['follow']).toMatchObject([{ follower_id: ann, followee_id: cat }]);
    expect(tables['follow_request']).toMatchObject([{ follower_id: dan, followee_id: ann }]);
  });

  it('ends follows and requests of both sides with a block, and does not count their later end again', async () => {
    const { tables } = await spec.project([
      happened('AccountFollowed', pair(ann, ben!)),
      happened('FollowRequested', pair(ben!, ann)),
      happened('AccountFollowed', pair(cat!, ben!)),
      happened('AccountBlocked', { blockerId: ben!, blockedId: ann }),
      ended(ann, ben!),
    ]);
    expect(tables['follow']).toMatchObject([{ follower_id: cat, followee_id: ben }]);
    expect(tables['follow_request']).toEqual([]);
    expect(tables['follow_count']).toEqual([
      { account_id: ben, followers: '1', following: '0' },
      { account_id: cat, followers: '0', following: '1' },
    ]);
  });

  it('removes an erased account from both sides and from the counts of the others', async () => {
    const { tables } = await spec.project([
      happened('AccountFollowed', pair(ann, ben!)),
      happened('AccountFollowed', pair(ben!, cat!)),
      happened('AccountFollowed', pair(ann, cat!)),
      happened('FollowRequested', pair(dan!, ben!)),
      happened('AccountErased', { accountId: ben! }),
      ended(ann, ben!),
    ]);
    expect(tables['follow']).toMatchObject([{ follower_id: ann, followee_id: cat }]);
    expect(tables['follow_request']).toEqual([]);
    expect(tables['follow_count']).toEqual([
      { account_id: ann, followers: '0', following: '1' },
      { account_id: cat, followers: '1', following: '0' },
    ]);
  });

  it('remembers who followed an erased account when it was, as long as they are there themselves', async () => {
    const follow = (a: AccountId, b: AccountId) => happened('AccountFollowed', pair(a, b));
    const { tables } = await spec.project([
      follow(ann, dan!),
      follow(ben!, dan!),
      follow(cat!, dan!),
      ended(ben!, dan!),
      follow(dan!, ann),
      happened('AccountErased', { accountId: dan! }),
      follow(ben!, dan!),
      happened('AccountErased', { accountId: cat! }),
    ]);
    expect(tables['follower_of_erased']).toEqual([{ account_id: dan, follower_id: ann }]);
  });

  it('gives pages without gap or repeat, and picks out of candidates', async () => {
    const { read } = await spec.project([
      happened('AccountFollowed', pair(ann, dan!)),
      happened('AccountFollowed', pair(ben!, dan!)),
      happened('AccountFollowed', pair(cat!, dan!)),
      happened('AccountFollowed', pair(ann, ben!)),
    ]);
    const first = await followersPage(read, dan!, { after: undefined, limit: 2 });
    expect([...first, ...(await followersPage(read, dan!, { after: first.at(-1), limit: 2 }))]).toEqual([
      ann,
      ben,
      cat,
    ]);
    expect(await followingPage(read, ann, { after: undefined, limit: 10 })).toEqual([ben, dan]);
    expect(await followeesAmong(read, ann, [ben!, cat!])).toEqual(new Set([ben]));
    expect(await followersAmong(read, dan!, [ann, dan!])).toEqual(new Set([ann]));
  });

  it('ends in the same tables however a random history is cut into batches', async () => {
    const account = fc.constantFrom(ann, ben!, cat!, dan!);
    const other = fc.tuple(account, account).filter(([a, b]) => a !== b);
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      ...(
        [
          'AccountFollowed',
          'FollowRequested',
          'FollowRequestAccepted',
          'FollowRequestDeclined',
          'FollowRequestWithdrawn',
        ] as const
      ).map((type) => other.map(([a, b]) => happened(type, pair(a, b)))),
      other.map(([a, b]) => ended(a, b)),
      other.map(([a, b]) => happened('AccountBlocked', { blockerId: a, blockedId: b })),
      account.map((accountId) => happened('AccountErased', { accountId })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fact, { maxLength: 25 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        async (history, splits) => {
          const { tables } = await spec.project(history, splits);
          const followers = new Map<unknown, number>();
          for (const { followee_id } of tables['follow']!)
            followers.set(followee_id, (followers.get(followee_id) ?? 0) + 1);
          for (const row of tables['follow_count']!)
            expect(Number(row['followers'])).toBe(followers.get(row['account_id']) ?? 0);
        },
      ),
      { numRuns: 25 },
    );
  });
});
