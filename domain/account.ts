import { accountEvents, type AccountEvent, type Privacy } from './account-events.ts';
import { evolve, type AccountState, type ActiveAccount } from './account-state.ts';
import { accept, refuse, type Decider } from './decider.ts';
import { typesOf } from './event-definition.ts';
import type { AccountId, MediaId } from './ids.ts';

// Commands
/** What an account may change of its profile; an absent field stays as it is. */
export type ProfileChange = {
  readonly fullName?: string | undefined;
  readonly bio?: string | undefined;
  readonly website?: string | undefined;
  readonly profileMediaId?: MediaId | null | undefined;
  readonly privacy?: Privacy | undefined;
};
export type AccountCommand =
  | {
      readonly type: 'RegisterAccount';
      readonly accountId: AccountId;
      readonly username: string;
      readonly email: string;
      readonly fullName: string;
    }
  | { readonly type: 'AbandonRegistration'; readonly accountId: AccountId }
  /** `pictureUsable` says whether `change.profileMediaId` is a finished picture of the account itself. */
  | { readonly type: 'EditProfile'; readonly change: ProfileChange; readonly pictureUsable: boolean }
  | { readonly type: 'ChangePassword' }
  | { readonly type: 'GrantCelebrityStatus'; readonly followerCount: number; readonly threshold: number }
  | { readonly type: 'RevokeCelebrityStatus'; readonly followerCount: number; readonly threshold: number }
  | { readonly type: 'VerifyAccount' }
  | { readonly type: 'WithdrawVerification' }
  | { readonly type: 'EraseAccount' };
export type AccountRefusal =
  'account_not_found' | 'account_already_registered' | 'registration_abandoned' | 'profile_picture_unusable';

function decide(command: AccountCommand, state: AccountState) {
  switch (command.type) {
    case 'RegisterAccount':
      return register(state, command);
    case 'AbandonRegistration':
      return abandon(state, command.accountId);
    case 'EraseAccount':
      return erase(state);
    default:
      return state.status === 'active' ? change(state, command) : refuse('account_not_found');
  }
}

function change(
  state: ActiveAccount,
  command: Exclude<AccountCommand, { type: 'RegisterAccount' | 'AbandonRegistration' | 'EraseAccount' }>,
) {
  switch (command.type) {
    case 'EditProfile':
      return editProfile(state, command);
    case 'ChangePassword':
      return accept<AccountEvent>({ type: 'PasswordChanged', data: { accountId: state.accountId } });
    case 'GrantCelebrityStatus':
    case 'RevokeCelebrityStatus':
      return changeCelebrity(state, command);
    case 'VerifyAccount':
      return state.verified
        ? accept<AccountEvent>()
        : accept<AccountEvent>({ type: 'AccountVerified', data: { accountId: state.accountId } });
    case 'WithdrawVerification':
      return state.verified
        ? accept<AccountEvent>({ type: 'VerificationWithdrawn', data: { accountId: state.accountId } })
        : accept<AccountEvent>();
    default:
      return command satisfies never;
  }
}

function register(
  state: AccountState,
  { accountId, username, email, fullName }: Extract<AccountCommand, { type: 'RegisterAccount' }>,
) {
  switch (state.status) {
    case 'unregistered':
      return accept<AccountEvent>({
        type: 'AccountRegistered',
        data: { accountId, username, email, fullName, privacy: 'public' },
      });
    case 'abandoned':
      return refuse('registration_abandoned', 'it took too long; register again');
    case 'active':
    case 'erased':
      return refuse('account_already_registered');
    default:
      return state satisfies never;
  }
}

function abandon(state: AccountState, accountId: AccountId) {
  if (state.status === 'abandoned') return accept<AccountEvent>();
  if (state.status !== 'unregistered') return refuse('account_already_registered');
  return accept<AccountEvent>({ type: 'RegistrationAbandoned', data: { accountId } });
}

function editProfile(
  state: ActiveAccount,
  { change, pictureUsable }: Extract<AccountCommand, { type: 'EditProfile' }>,
) {
  const choosesPicture = differs(change.profileMediaId, state.profileMediaId);
  if (choosesPicture && change.profileMediaId !== null && !pictureUsable)
    return refuse('profile_picture_unusable', 'upload an image first and wait until it is ready');
  return accept(
    ...textEvents(state, change),
    ...(choosesPicture ? pictureEvents(state, change) : []),
    ...privacyEvents(state, change),
  );
}

function differs<T>(wanted: T | undefined, present: T): boolean {
  return wanted !== undefined && wanted !== present;
}

function textEvents(state: ActiveAccount, change: ProfileChange): AccountEvent[] {
  const texts = changedTexts(state, change);
  return Object.keys(texts).length === 0
    ? []
    : [{ type: 'ProfileEdited', data: { accountId: state.accountId, ...texts } }];
}

function pictureEvents({ accountId }: ActiveAccount, { profileMediaId = null }: ProfileChange): AccountEvent[] {
  return [{ type: 'ProfilePictureChosen', data: { accountId, mediaId: profileMediaId } }];
}

function privacyEvents({ accountId, privacy }: ActiveAccount, change: ProfileChange): AccountEvent[] {
  if (!differs(change.privacy, privacy)) return [];
  return [{ type: change.privacy === 'private' ? 'AccountMadePrivate' : 'AccountMadePublic', data: { accountId } }];
}

function changedTexts(
  state: ActiveAccount,
  change: ProfileChange,
): { fullName?: string | null; bio?: string | null; website?: string | null } {
  const changed = (field: 'fullName' | 'bio' | 'website') => {
    const value = change[field];
    return value === undefined || value === state[field] ? {} : { [field]: value === '' ? null : value };
  };
  return { ...changed('fullName'), ...changed('bio'), ...changed('website') };
}

function changeCelebrity(
  state: ActiveAccount,
  {
    type,
    followerCount,
    threshold,
  }: Extract<AccountCommand, { type: 'GrantCelebrityStatus' | 'RevokeCelebrityStatus' }>,
) {
  const grant = type === 'GrantCelebrityStatus';
  if (state.celebrity === grant) return accept<AccountEvent>();
  return accept<AccountEvent>({
    type: grant ? 'CelebrityStatusGranted' : 'CelebrityStatusRevoked',
    data: { accountId: state.accountId, followerCount, threshold },
  });
}

function erase(state: AccountState) {
  if (state.status === 'active')
    return accept<AccountEvent>({ type: 'AccountErased', data: { accountId: state.accountId } });
  return state.status === 'erased' ? accept<AccountEvent>() : refuse('account_not_found');
}

export const accountDecider: Decider<AccountState, AccountCommand, AccountEvent, AccountRefusal> = {
  eventTypes: typesOf(accountEvents),
  initial: { status: 'unregistered' },
  evolve,
  decide,
};
