import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { relationships } from './relationships.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(relationships);
});
afterAll(() => spec.close());

const [ann, ben, cat] = several.accounts(3) as [AccountId, AccountId, AccountId];
const blocked = (blockerId: AccountId, blockedId: AccountId) => happened('AccountBlocked', { blockerId, blockedId });
const muted = (muterId: AccountId, mutedId: AccountId) => happened('AccountMuted', { muterId, mutedId });
const befriended = (accountId: AccountId, friendId: AccountId) => happened('CloseFriendAdded', { accountId, friendId });

describe('relationships', () => {
  it('keeps blocks, mutes and close friends apart, each in its own direction', async () => {
    const { tables } = await spec.project([blocked(ann, ben), muted(ben, cat), befriended(cat, ann)]);
    expect(tables).toMatchObject({
      block: [{ blocker_id: ann, blocked_id: ben }],
      mute: [{ muter_id: ben, muted_id: cat }],
      close_friend: [{ account_id: cat, friend_id: ann }],
    });
  });

  it('forgets what was lifted', async () => {
    const { tables } = await spec.project([
      blocked(ann, ben),
      muted(ann, ben),
      befriended(ann, cat),
      happened('AccountUnblocked', { blockerId: ann, blockedId: ben }),
      happened('AccountUnmuted', { muterId: ann, mutedId: ben }),
      happened('CloseFriendRemoved', { accountId: ann, friendId: cat }),
    ]);
    expect(tables).toEqual({ erased_account: [], block: [], mute: [], close_friend: [] });
  });

  it('forgets an erased account on either side', async () => {
    const { tables } = await spec.project([
      blocked(ann, ben),
      blocked(ben, ann),
      muted(ben, cat),
      muted(cat, ann),
      befriended(cat, ben),
      befriended(cat, ann),
      erased(ben),
    ]);
    expect(tables).toMatchObject({
      block: [],
      mute: [{ muter_id: cat, muted_id: ann }],
      close_friend: [{ account_id: cat, friend_id: ann }],
    });
  });

  it('ends in the same tables however a random history is cut into batches', async () => {
    const account = fc.constantFrom(ann, ben, cat);
    const pair = fc.tuple(account, account).filter(([a, b]) => a !== b);
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      pair.map(([a, b]) => blocked(a, b)),
      pair.map(([a, b]) => muted(a, b)),
      pair.map(([a, b]) => befriended(a, b)),
      pair.map(([a, b]) => happened('AccountUnblocked', { blockerId: a, blockedId: b })),
      account.map(erased),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fact, { maxLength: 15 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        async (history, splits) => {
          await spec.project(history, splits);
        },
      ),
      { numRuns: 10 },
    );
  });
});
