import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { erased, registered, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { accounts } from './accounts.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(accounts);
});
afterAll(() => spec.close());

const [ann, ben] = several.accounts(2) as [AccountId, AccountId];
const [picture] = several.media(1);

describe('accounts', () => {
  it('shows a profile as it was last edited; null clears a field, an absent one stays', async () => {
    const { tables } = await spec.project([
      registered(ann, 'ann', { fullName: 'Ann Müller', privacy: 'private' }),
      happened('ProfileEdited', { accountId: ann, bio: 'sea', website: 'https://example.org' }),
      happened('ProfileEdited', { accountId: ann, website: null }),
      happened('ProfilePictureChosen', { accountId: ann, mediaId: picture! }),
    ]);
    expect(tables['account']).toMatchObject([
      {
        username: 'ann',
        full_name: 'Ann Müller',
        bio: 'sea',
        website: null,
        profile_media_id: picture,
        is_private: true,
        status: 'active',
        search_text: 'ann ann muller',
      },
    ]);
  });

  it('follows privacy and celebrity status, and remembers that somebody was a celebrity', async () => {
    const line = { accountId: ann, followerCount: 10_000, threshold: 10_000 };
    const { tables } = await spec.project([
      registered(ann, 'ann', { privacy: 'private' }),
      happened('AccountMadePublic', { accountId: ann }),
      happened('CelebrityStatusGranted', line),
      happened('CelebrityStatusRevoked', line),
      happened('AccountMadePrivate', { accountId: ann }),
    ]);
    expect(tables['account']).toMatchObject([{ is_private: true, is_celebrity: false, was_celebrity: true }]);
  });

  it('shows who is verified, until that is withdrawn or the account is erased', async () => {
    const { tables } = await spec.project([
      registered(ann, 'ann'),
      registered(ben, 'ben'),
      happened('AccountVerified', { accountId: ann }),
      happened('AccountVerified', { accountId: ben }),
      happened('VerificationWithdrawn', { accountId: ben }),
    ]);
    expect(tables['account']).toMatchObject([
      { account_id: ann, is_verified: true },
      { account_id: ben, is_verified: false },
    ]);
    const later = await spec.project([
      registered(ann, 'ann'),
      happened('AccountVerified', { accountId: ann }),
      erased(ann),
    ]);
    expect(later.tables['account']).toMatchObject([{ status: 'erased', is_verified: false }]);
  });

  it('keeps of an erased account that it was there, and nothing that comes later', async () => {
    const { tables } = await spec.project([
      registered(ann, 'ann'),
      happened('ProfileEdited', { accountId: ann, bio: 'sea' }),
      happened('CelebrityStatusGranted', { accountId: ann, followerCount: 1, threshold: 1 }),
      erased(ann),
      happened('ProfileEdited', { accountId: ann, bio: 'late' }),
    ]);
    expect(tables['account']).toMatchObject([
      {
        status: 'erased',
        username: null,
        full_name: null,
        bio: null,
        search_text: null,
        is_celebrity: false,
        was_celebrity: false,
      },
    ]);
  });

  it('lets a name pass on from an erased account, also within one batch', async () => {
    const { tables } = await spec.project([registered(ann, 'lens'), erased(ann), registered(ben, 'lens')]);
    expect(tables['account']).toMatchObject([
      { account_id: ann, username: null },
      { account_id: ben, username: 'lens' },
    ]);
    const other = await spec.project([registered(ben, 'lens'), erased(ben), registered(ann, 'lens')]);
    expect(other.tables['account']).toMatchObject([
      { account_id: ann, username: 'lens' },
      { account_id: ben, username: null },
    ]);
  });

  it('knows a registration that was never finished', async () => {
    const { tables } = await spec.project([
      happened('RegistrationAbandoned', { accountId: ann }),
      registered(ben, 'ben'),
    ]);
    expect(tables['account']).toMatchObject([
      { account_id: ann, status: 'abandoned', username: null, registered_at: null },
      { account_id: ben, status: 'active' },
    ]);
  });

  it('ends in the same rows however a random history is cut into batches', async () => {
    const account = fc.constantFrom(ann, ben);
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      account.map((id) => registered(id, id === ann ? 'ann' : 'ben')),
      fc
        .tuple(account, fc.constantFrom('sun', 'sea', null))
        .map(([accountId, bio]) => happened('ProfileEdited', { accountId, bio })),
      account.map((accountId) => happened('AccountMadePrivate', { accountId })),
      account.map((accountId) => happened('CelebrityStatusGranted', { accountId, followerCount: 1, threshold: 1 })),
      account.map((accountId) => happened('AccountVerified', { accountId })),
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
      { numRuns: 15 },
    );
  });
});
