import { z } from 'zod';
import { defineEvent, personal, type EventOf } from './event-definition.ts';
import { AccountId, MediaId } from './ids.ts';
import { LIMITS } from './limits.ts';
import { storedText } from './text.ts';

export const Username = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[a-z0-9._]{3,30}$/, 'must be 3 to 30 of a-z, 0-9, dot and underscore');
export const Privacy = z.enum(['public', 'private']);
export type Privacy = z.infer<typeof Privacy>;

export const accountEvents = [
  defineEvent({
    type: 'AccountRegistered',
    says: 'A person opened an account.',
    subject: 'accountId',
    data: {
      accountId: AccountId,
      username: personal(Username),
      email: personal(z.email()),
      fullName: personal(storedText(LIMITS.fullName)),
      privacy: Privacy,
    },
  }),
  defineEvent({
    type: 'ProfileEdited',
    says: 'An account changed what its profile says; null clears a field, an absent one stays.',
    subject: 'accountId',
    data: {
      accountId: AccountId,
      fullName: personal(storedText(LIMITS.fullName)).optional(),
      bio: personal(storedText(LIMITS.bio)).optional(),
      website: personal(storedText(LIMITS.website)).optional(),
    },
  }),
  defineEvent({
    type: 'ProfilePictureChosen',
    says: 'An account chose a profile picture; null removes it.',
    data: { accountId: AccountId, mediaId: MediaId.nullable() },
  }),
  defineEvent({
    type: 'AccountMadePrivate',
    says: 'From now on only accepted followers see the account.',
    data: { accountId: AccountId },
  }),
  defineEvent({
    type: 'AccountMadePublic',
    says: 'From now on everybody sees the account.',
    data: { accountId: AccountId },
  }),
  defineEvent({
    type: 'PasswordChanged',
    says: 'The account has a new password; the hash itself lives in the vault.',
    data: { accountId: AccountId },
  }),
  defineEvent({
    type: 'CelebrityStatusGranted',
    says: 'The account reached the celebrity line: its posts are pulled, no longer pushed.',
    data: { accountId: AccountId, followerCount: z.int().nonnegative(), threshold: z.int().positive() },
  }),
  defineEvent({
    type: 'CelebrityStatusRevoked',
    says: 'The account fell below the lower celebrity line: its posts are pushed again.',
    data: { accountId: AccountId, followerCount: z.int().nonnegative(), threshold: z.int().positive() },
  }),
  defineEvent({
    type: 'AccountVerified',
    says: 'An operator vouches that the account belongs to whom its name says.',
    data: { accountId: AccountId },
  }),
  defineEvent({
    type: 'VerificationWithdrawn',
    says: 'Nobody vouches for the account any more.',
    data: { accountId: AccountId },
  }),
  defineEvent({
    type: 'RegistrationAbandoned',
    says: 'The registration never finished; its reservations may be taken over.',
    data: { accountId: AccountId },
  }),
  defineEvent({
    type: 'AccountErased',
    says: 'The account and its personal data are gone for good.',
    data: { accountId: AccountId },
  }),
] as const;
export type AccountEvent = EventOf<(typeof accountEvents)[number]>;
