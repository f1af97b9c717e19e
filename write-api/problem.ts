import { NewerReleaseNeededError } from '../commands/handle.ts';
import { isStoreDenial, OutcomeUnknownError, VersionConflictError } from '../infra/event-store/event-store.ts';
import type { Problem } from '../infra/http/problem.ts';
import { TooManyHashesError } from '../infra/auth/passwords.ts';
import { isOutage } from '../projections/failures.ts';
import { contentProblems } from './content-problems.ts';

/** How each business refusal is told to clients. `code` is the public one when the domain uses another word. */
const PROBLEMS = {
  account_not_found: { status: 404, code: 'user_not_found', title: 'There is no such user' },
  account_already_registered: { status: 409, title: 'This account is registered already' },
  registration_abandoned: { status: 409, title: 'The registration took too long' },
  username_taken: { status: 409, title: 'Somebody has this username' },
  email_taken: { status: 409, title: 'Somebody has registered with this e-mail address' },
  invalid_credentials: { status: 401, title: 'The login failed' },
  wrong_password: { status: 403, title: 'The current password is wrong' },
  refresh_token_invalid: { status: 401, title: 'The refresh token is not valid' },
  refresh_token_reused: { status: 401, title: 'The refresh token was used before' },
  session_ended: { status: 401, title: 'The session has ended' },
  not_your_account: { status: 403, title: 'This is not your account' },
  profile_picture_unusable: { status: 422, title: 'This cannot be the profile picture' },
  cannot_follow_self: { status: 422, title: 'Nobody follows themselves' },
  cannot_block_self: { status: 422, title: 'Nobody blocks themselves' },
  cannot_mute_self: { status: 422, title: 'Nobody mutes themselves' },
  cannot_befriend_self: { status: 422, title: 'Nobody is a close friend of themselves' },
  follow_request_not_found: { status: 404, title: 'There is no such follow request' },
  ...contentProblems,
} as const satisfies Record<string, { status: number; title: string; code?: string }>;

/** Every code with which a write may be refused; a route that refuses with another one does not compile. */
export type WriteRefusal = keyof typeof PROBLEMS;

/** Tells whether a text is one of the refusal codes. */
export function isWriteRefusal(code: string): code is WriteRefusal {
  return Object.hasOwn(PROBLEMS, code);
}

/** The problem of a refused write. */
export function problemOf({ code, detail }: { readonly code: WriteRefusal; readonly detail?: string }): Problem {
  return { code, ...PROBLEMS[code], ...(detail === undefined ? {} : { detail }) };
}

/**
 * The problem of a store that is busy or away. Whatever it names may be repeated, best with the same Idempotency-Key.
 */
export function problemOfError(error: unknown): Problem | undefined {
  const headers = { 'Retry-After': '1' };
  if (error instanceof VersionConflictError)
    return { status: 409, code: 'busy', title: 'Others are changing the same thing', detail: 'Try again.', headers };
  if (error instanceof OutcomeUnknownError)
    return {
      status: 503,
      code: 'outcome_unknown',
      title: 'The event store did not answer',
      detail: 'Repeat the request with the same Idempotency-Key.',
      headers,
    };
  if (error instanceof NewerReleaseNeededError)
    return {
      status: 503,
      code: 'newer_release_needed',
      title: 'A newer release has changed this',
      detail: 'Try again when all servers are upgraded.',
      headers,
      alarm: true,
    };
  if (error instanceof TooManyHashesError)
    return { status: 503, code: 'overloaded', title: 'Too many people log in at this moment', headers };
  return isOutage(error)
    ? {
        status: 503,
        code: 'unavailable',
        title: 'A store cannot be reached',
        headers,
        ...(isStoreDenial(error) && { alarm: true }),
      }
    : undefined;
}
