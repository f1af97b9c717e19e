import { z } from 'zod';
import { changePassword, ChangePasswordInput } from '../../commands/accounts/change-password.ts';
import { editProfile, EditProfileInput } from '../../commands/accounts/edit-profile.ts';
import { eraseAccount } from '../../commands/accounts/erase-account.ts';
import type { AccountFinder } from '../../commands/accounts/find-account.ts';
import { registerAccount, RegisterAccountInput } from '../../commands/accounts/register-account.ts';
import { Privacy } from '../../domain/account-events.ts';
import type { ActiveAccount } from '../../domain/account-state.ts';
import { AccountId, MediaId } from '../../domain/ids.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { Tokens } from '../../infra/auth/jwt.ts';
import type { Passwords } from '../../infra/auth/passwords.ts';
import type { Limits } from '../../infra/redis/rate-limit.ts';
import type { Credentials } from '../../infra/vault/vault-credentials.ts';
import type { DataKeyStore } from '../../infra/vault/vault-data-keys.ts';
import type { Sessions } from '../../infra/vault/vault-sessions.ts';
import type { ProfileCounts } from '../../projections/queries/profiles.ts';
import { freshTokens } from '../auth.ts';
import { guardLogin } from '../login-guard.ts';
import type { OwnCounts } from '../own-counts.ts';
import type { WriteRefusal } from '../problem.ts';
import { UsernameInPath } from './username-in-path.ts';

export type AccountRouteDeps = AccountFinder & {
  readonly keys: DataKeyStore;
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly tokens: Tokens;
  readonly limits: Limits;
  readonly counts: Pick<OwnCounts, 'profile'>;
};

const tags = ['accounts'];
const Profile = z.object({
  user_id: AccountId,
  username: z.string(),
  full_name: z.string(),
  bio: z.string(),
  website: z.string(),
  profile_media_id: MediaId.nullable(),
  is_private: z.boolean(),
  privacy_level: Privacy,
  is_verified: z.boolean(),
  follower_count: z.int().nullable(),
  following_count: z.int().nullable(),
  post_count: z.int().nullable(),
});

// The edit has succeeded, whether or not its answer can tell the counts.
function profileOf(account: ActiveAccount, counts: ProfileCounts | null): z.input<typeof Profile> {
  const { accountId, username, fullName, bio, website, profileMediaId, privacy, verified } = account;
  return {
    user_id: accountId,
    username: username ?? '',
    full_name: fullName,
    bio,
    website,
    profile_media_id: profileMediaId,
    is_private: privacy === 'private',
    privacy_level: privacy,
    is_verified: verified,
    follower_count: counts?.followers ?? null,
    following_count: counts?.following ?? null,
    post_count: counts?.posts ?? null,
  };
}

/** Registering, and what an account may do to itself. */
export function accountRoutes(deps: AccountRouteDeps): Route<WriteRefusal>[] {
  return [register(deps), edit(deps), erase(deps), newPassword(deps)];
}

function register(deps: AccountRouteDeps): Route<WriteRefusal> {
  const { username, email, password, fullName } = RegisterAccountInput.shape;
  return defineRoute({
    method: 'post',
    path: '/v1/users/register',
    summary: 'Open an account',
    tags,
    auth: 'none',
    body: z.object({ username, email, password, full_name: fullName.default('') }),
    responses: { 201: z.object({ user_id: AccountId, username: z.string() }) },
    fresh: freshTokens(deps.tokens, deps.sessions),
    handler: async ({ body, context, operator }) => {
      const hash = operator ? deps.passwords.hashForImport : deps.passwords.hash;
      const { full_name, ...given } = body;
      const registered = await registerAccount({ ...deps, hash }, context, { ...given, fullName: full_name });
      if (!registered.ok) return registered;
      await deps.sessions.begin(context.commandId, registered.accountId, context.now);
      return {
        status: 201,
        body: { user_id: registered.accountId, username: registered.username },
        seed: context.commandId,
        written: registered.written,
      };
    },
  });
}

function edit(deps: AccountRouteDeps): Route<WriteRefusal> {
  const { fullName, bio, website, profileMediaId, privacy } = EditProfileInput.shape.change.shape;
  return defineRoute({
    method: 'put',
    path: '/v1/users/{username}',
    summary: 'Edit your own profile',
    tags,
    auth: 'account',
    params: UsernameInPath,
    body: z.object({ full_name: fullName, bio, website, profile_media_id: profileMediaId, privacy_level: privacy }),
    responses: { 200: Profile },
    handler: async ({ params, body, account, context }) => {
      const change = {
        fullName: body.full_name,
        bio: body.bio,
        website: body.website,
        profileMediaId: body.profile_media_id,
        privacy: body.privacy_level,
      };
      const edited = await editProfile(deps, context, { accountId: account.id, username: params.username, change });
      return edited.ok
        ? {
            status: 200,
            body: profileOf(edited.account, await deps.counts.profile(account.id)),
            written: edited.written,
          }
        : edited;
    },
  });
}

function erase(deps: AccountRouteDeps): Route<WriteRefusal> {
  return defineRoute({
    method: 'delete',
    path: '/v1/users/{username}',
    summary: 'Erase your own account and its personal data',
    tags,
    auth: 'account',
    params: UsernameInPath,
    responses: { 202: z.object({ status: z.literal('erasing') }) },
    handler: async ({ params, account, context }) => {
      const erased = await eraseAccount(deps, context, { accountId: account.id, username: params.username });
      return erased.ok ? { status: 202, body: { status: 'erasing' as const }, written: erased.written } : erased;
    },
  });
}

function newPassword(deps: AccountRouteDeps): Route<WriteRefusal> {
  const { currentPassword, newPassword: password } = ChangePasswordInput.shape;
  return defineRoute({
    method: 'put',
    path: '/v1/users/{username}/password',
    summary: 'Change your own password and end your other sessions',
    tags,
    auth: 'account',
    params: UsernameInPath,
    body: z.object({ current_password: currentPassword, new_password: password }),
    responses: { 204: null },
    handler: async ({ params, body, account, context, address, operator }) => {
      const input = {
        accountId: account.id,
        username: params.username,
        session: account.session,
        currentPassword: body.current_password,
        newPassword: body.new_password,
      };
      const changed = await guardLogin(deps, { username: params.username, address, operator }, () =>
        changePassword(deps, context, input),
      );
      return changed.ok ? { status: 204, written: changed.written } : changed;
    },
  });
}
