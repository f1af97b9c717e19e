import type { AccountEvent, Privacy } from './account-events.ts';
import type { AccountId, MediaId } from './ids.ts';

export type ActiveAccount = {
  readonly status: 'active';
  readonly accountId: AccountId;
  /** Null once the account's data key is emptied. */
  readonly username: string | null;
  readonly email: string | null;
  readonly fullName: string;
  readonly bio: string;
  readonly website: string;
  readonly profileMediaId: MediaId | null;
  readonly privacy: Privacy;
  readonly celebrity: boolean;
  readonly verified: boolean;
};
export type AccountState =
  | { readonly status: 'unregistered' }
  | ActiveAccount
  | { readonly status: 'abandoned' }
  | { readonly status: 'erased'; readonly username: string | null; readonly email: string | null };

/** The account after an event; throws where the event cannot have happened. */
export function evolve(state: AccountState, event: AccountEvent): AccountState {
  if (event.type === 'AccountRegistered') return registered(event.data);
  if (event.type === 'RegistrationAbandoned') return { status: 'abandoned' };
  if (state.status !== 'active') throw new Error(`${event.type} happened to an account that is ${state.status}`);
  if (event.type === 'AccountErased') return { status: 'erased', username: state.username, email: state.email };
  return evolveActive(state, event);
}

function evolveActive(
  state: ActiveAccount,
  event: Exclude<AccountEvent, { type: 'AccountRegistered' | 'RegistrationAbandoned' | 'AccountErased' }>,
): ActiveAccount {
  switch (event.type) {
    case 'ProfileEdited':
      return { ...state, ...textsOf(event.data) };
    case 'ProfilePictureChosen':
      return { ...state, profileMediaId: event.data.mediaId };
    case 'AccountMadePrivate':
      return { ...state, privacy: 'private' };
    case 'AccountMadePublic':
      return { ...state, privacy: 'public' };
    case 'PasswordChanged':
      return state;
    case 'CelebrityStatusGranted':
      return { ...state, celebrity: true };
    case 'CelebrityStatusRevoked':
      return { ...state, celebrity: false };
    case 'AccountVerified':
      return { ...state, verified: true };
    case 'VerificationWithdrawn':
      return { ...state, verified: false };
    default:
      return event satisfies never;
  }
}

type DataOf<T extends AccountEvent['type']> = Extract<AccountEvent, { type: T }>['data'];

function registered({ accountId, username, email, fullName, privacy }: DataOf<'AccountRegistered'>): ActiveAccount {
  return {
    status: 'active',
    accountId,
    username,
    email,
    fullName: fullName ?? '',
    bio: '',
    website: '',
    profileMediaId: null,
    privacy,
    celebrity: false,
    verified: false,
  };
}

// In the event an absent field stays as it is and null clears it; an emptied data key makes the same null.
function textsOf({
  fullName,
  bio,
  website,
}: DataOf<'ProfileEdited'>): Partial<Pick<ActiveAccount, 'fullName' | 'bio' | 'website'>> {
  return {
    ...(fullName === undefined ? {} : { fullName: fullName ?? '' }),
    ...(bio === undefined ? {} : { bio: bio ?? '' }),
    ...(website === undefined ? {} : { website: website ?? '' }),
  };
}
