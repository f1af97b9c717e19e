import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import type { Sessions } from '../../infra/vault/vault-sessions.ts';
import type { CommandContext } from '../handle.ts';

export const RefreshSessionInput = z.object({ refreshToken: z.string().min(1).max(200) });
export type RefreshSessionInput = z.infer<typeof RefreshSessionInput>;

/**
 * Uses a refresh token up. One that was used more than ten seconds before ends the whole session: somebody else may
 * hold a copy.
 */
export async function refreshSession(
  deps: { readonly sessions: Sessions },
  context: CommandContext,
  { refreshToken }: RefreshSessionInput,
) {
  const rotation = await deps.sessions.rotate(refreshToken, context.commandId, context.now);
  switch (rotation.kind) {
    case 'rotated':
      return { ok: true as const, accountId: rotation.accountId, sessionId: rotation.sessionId };
    case 'reused':
      return refuse('refresh_token_reused', 'the session has been ended; log in again');
    case 'unknown':
    case 'expired':
      return refuse('refresh_token_invalid', 'log in again');
    case 'ended':
      return refuse('session_ended', 'log in again');
    default:
      return rotation satisfies never;
  }
}
