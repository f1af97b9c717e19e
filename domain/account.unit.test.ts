import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import { Username, type AccountEvent } from './account-events.ts';
import { accountDecider, type AccountCommand } from './account.ts';
import { AccountId, MediaId } from './ids.ts';

const ann = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp41');
const picture = MediaId.parse('med_01h2xcejqtf2nbrexx3vqjhp41');
const given = specify(accountDecider);

const registered: AccountEvent = {
  type: 'AccountRegistered',
  data: { accountId: ann, username: 'ann', email: 'ann@example.com', fullName: 'Ann', privacy: 'public' },
};
const abandoned: AccountEvent = { type: 'RegistrationAbandoned', data: { accountId: ann } };
const madePrivate: AccountEvent = { type: 'AccountMadePrivate', data: { accountId: ann } };
const madePublic: AccountEvent = { type: 'AccountMadePublic', data: { accountId: ann } };
const chosen: AccountEvent = { type: 'ProfilePictureChosen', data: { accountId: ann, mediaId: picture } };
const granted: AccountEvent = {
  type: 'CelebrityStatusGranted',
  data: { accountId: ann, followerCount: 10_000, threshold: 10_000 },
};
const revoked: AccountEvent = {
  type: 'CelebrityStatusRevoked',
  data: { accountId: ann, followerCount: 8_999, threshold: 9_000 },
};
const erased: AccountEvent = { type: 'AccountErased', data: { accountId: ann } };

const register: AccountCommand = {
  type: 'RegisterAccount',
  accountId: ann,
  username: 'ann',
  email: 'ann@example.com',
  fullName: 'Ann',
};
const abandon: AccountCommand = { type: 'AbandonRegistration', accountId: ann };
const edit = (
  change: Extract<AccountCommand, { type: 'EditProfile' }>['change'],
  pictureUsable = true,
): AccountCommand => ({ type: 'EditProfile', change, pictureUsable });
const grant: AccountCommand = { type: 'GrantCelebrityStatus', followerCount: 10_000, threshold: 10_000 };
const revoke: AccountCommand = { type: 'RevokeCelebrityStatus', followerCount: 8_999, threshold: 9_000 };

describe('registering', () => {
  it('opens a public account', () => {
    given().when(register).then(registered);
  });
  it('is refused twice', () => {
    given(registered).when(register).thenRefused('account_already_registered');
  });
  it('is refused after the registration was abandoned', () => {
    given(abandoned).when(register).thenRefused('registration_abandoned');
  });
  it('is refused for an erased account', () => {
    given(registered, erased).when(register).thenRefused('account_already_registered');
  });
});

describe('abandoning a registration', () => {
  it('ends one that never finished', () => {
    given().when(abandon).then(abandoned);
  });
  it('changes nothing the second time', () => {
    given(abandoned).when(abandon).then();
  });
  it('is refused for a registered account', () => {
    given(registered).when(abandon).thenRefused('account_already_registered');
  });
  it('is refused for an erased account', () => {
    given(registered, erased).when(abandon).thenRefused('account_already_registered');
  });
});

describe('the mark of a verified account', () => {
  const verified: AccountEvent = { type: 'AccountVerified', data: { accountId: ann } };
  const withdrawn: AccountEvent = { type: 'VerificationWithdrawn', data: { accountId: ann } };
  const [verify, withdraw]: AccountCommand[] = [{ type: 'VerifyAccount' }, { type: 'WithdrawVerification' }];
  it('is given and taken away once', () => {
    given(registered).when(verify!).then(verified);
    given(registered, verified).when(verify!).then();
    given(registered, verified).when(withdraw!).then(withdrawn);
    given(registered, verified, withdrawn).when(withdraw!).then();
  });
  it('is for active accounts only', () => {
    given().when(verify!).thenRefused('account_not_found');
    given(registered, verified, erased).when(withdraw!).thenRefused('account_not_found');
  });
});

describe('editing the profile', () => {
  it('records only what differs', () => {
    given(registered)
      .when(edit({ fullName: 'Ann', bio: 'I take photos' }))
      .then({ type: 'ProfileEdited', data: { accountId: ann, bio: 'I take photos' } });
    given(registered)
      .when(edit({ fullName: 'Ann', bio: '', privacy: 'public' }))
      .then();
  });
  it('clears a field with an empty text', () => {
    given(registered, { type: 'ProfileEdited', data: { accountId: ann, bio: 'old' } })
      .when(edit({ bio: '' }))
      .then({ type: 'ProfileEdited', data: { accountId: ann, bio: null } });
  });
  it('records text, picture and privacy as facts of their own', () => {
    given(registered)
      .when(edit({ website: 'https://ann.example', profileMediaId: picture, privacy: 'private' }))
      .then({ type: 'ProfileEdited', data: { accountId: ann, website: 'https://ann.example' } }, chosen, madePrivate);
  });
  it('goes private and back', () => {
    given(registered, madePrivate)
      .when(edit({ privacy: 'private' }))
      .then();
    given(registered, madePrivate)
      .when(edit({ privacy: 'public' }))
      .then(madePublic);
  });
  it('refuses a picture that is not usable, but for the one it has and for none', () => {
    given(registered)
      .when(edit({ profileMediaId: picture }, false))
      .thenRefused('profile_picture_unusable');
    given(registered, chosen)
      .when(edit({ profileMediaId: picture }, false))
      .then();
    given(registered, chosen)
      .when(edit({ profileMediaId: null }, false))
      .then({ type: 'ProfilePictureChosen', data: { accountId: ann, mediaId: null } });
  });
  it('is refused without an account', () => {
    given()
      .when(edit({ bio: 'x' }))
      .thenRefused('account_not_found');
    given(registered, erased)
      .when(edit({ bio: 'x' }))
      .thenRefused('account_not_found');
  });
});

describe('changing the password', () => {
  it('is recorded without the password', () => {
    given(registered)
      .when({ type: 'ChangePassword' })
      .then({ type: 'PasswordChanged', data: { accountId: ann } });
  });
  it('is refused without an account', () => {
    given(abandoned).when({ type: 'ChangePassword' }).thenRefused('account_not_found');
  });
});

describe('celebrity status', () => {
  it('is granted once and revoked once', () => {
    given(registered).when(grant).then(granted);
    given(registered, granted).when(grant).then();
    given(registered, granted).when(revoke).then(revoked);
    given(registered).when(revoke).then();
  });
  it('is refused without an account', () => {
    given().when(grant).thenRefused('account_not_found');
    given(registered, erased).when(revoke).thenRefused('account_not_found');
  });
});

describe('erasing', () => {
  it('happens once', () => {
    given(registered).when({ type: 'EraseAccount' }).then(erased);
    given(registered, erased).when({ type: 'EraseAccount' }).then();
  });
  it('is refused where there never was an account', () => {
    given().when({ type: 'EraseAccount' }).thenRefused('account_not_found');
    given(abandoned).when({ type: 'EraseAccount' }).thenRefused('account_not_found');
  });
  it('leaves a log that still folds when the personal data are gone', () => {
    const emptied: AccountEvent = {
      type: 'AccountRegistered',
      data: { accountId: ann, username: null, email: null, fullName: null, privacy: 'public' },
    };
    given(emptied, { type: 'ProfileEdited', data: { accountId: ann, bio: null } }, erased)
      .when({ type: 'EraseAccount' })
      .then();
  });
});

describe('any history', () => {
  it('obeys the laws of deciders', () => {
    const change = fc.record(
      {
        fullName: fc.constantFrom('', 'A', 'B'),
        bio: fc.constantFrom('', 'x'),
        profileMediaId: fc.constantFrom(null, picture),
        privacy: fc.constantFrom('public' as const, 'private' as const),
      },
      { requiredKeys: [] },
    );
    const command: fc.Arbitrary<AccountCommand> = fc.oneof(
      fc.constantFrom<AccountCommand>(
        register,
        abandon,
        grant,
        revoke,
        { type: 'ChangePassword' },
        { type: 'VerifyAccount' },
        { type: 'WithdrawVerification' },
      ),
      fc.record({ type: fc.constant('EditProfile' as const), change, pictureUsable: fc.boolean() }),
      fc.constant<AccountCommand>({ type: 'EraseAccount' }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        expectLaws(accountDecider, commands);
      }),
    );
  });
});

describe('Username', () => {
  it('is the same in capitals and with spaces around it', () => {
    expect(Username.parse('  Ann.B_1 ')).toBe('ann.b_1');
  });
  it.each(['ab', 'a'.repeat(31), 'ann b', 'änn', ''])('refuses %j', (name) => {
    expect(Username.safeParse(name).success).toBe(false);
  });
});
