import { z } from 'zod';
import { TOKEN_SECONDS, type Tokens } from '../infra/auth/jwt.ts';
import type { IssuedToken } from '../infra/vault/vault-refresh.ts';
import type { Sessions } from '../infra/vault/vault-sessions.ts';

/** What a client gets to log in with. */
export const TokenFields = z.object({
  access_token: z.string().meta({ description: 'Send as `Authorization: Bearer …`' }),
  refresh_token: z.string().meta({ description: 'Good for one use within 7 days' }),
  token_type: z.literal('Bearer'),
  expires_in: z.int().meta({ description: 'Seconds until the access token runs out' }),
});

/** Makes the tokens of a session, anew for each answer; what is recorded under an Idempotency-Key holds none. */
export function freshTokens(tokens: Tokens, sessions: Sessions) {
  return {
    fields: TokenFields,
    issue: async (sessionId: string, now: Date) =>
      told(tokens, sessionId, { issued: await sessions.issue(sessionId, now), now }),
  };
}

/**
 * Gives the tokens that a refresh made. For ten seconds everybody who sends the same refresh token gets the same ones,
 * so that two tabs do not end each other's session; a later repeat under the same Idempotency-Key gets others. The seed
 * is the session's id and the token that was sent.
 */
export function refreshedTokens(tokens: Tokens, sessions: Sessions) {
  return {
    fields: TokenFields,
    issue: async (seed: string, now: Date) => {
      const [sessionId = '', refreshToken = ''] = seed.split(' ');
      return told(tokens, sessionId, {
        issued: (await sessions.successorOf(refreshToken, now)) ?? (await sessions.issue(sessionId, now)),
        now,
      });
    },
  };
}

async function told(
  tokens: Tokens,
  sessionId: string,
  { issued, now }: { issued: IssuedToken | undefined; now: Date },
) {
  if (issued === undefined)
    return { ok: false as const, refusal: { code: 'session_ended' as const, detail: 'log in again' } };
  const accessToken = await tokens.forAccount(issued.accountId, sessionId, issued.issuedAt);
  const spent = Math.max(0, Math.floor((now.getTime() - issued.issuedAt.getTime()) / 1_000));
  return {
    ok: true as const,
    fields: {
      access_token: accessToken,
      refresh_token: issued.refreshToken,
      token_type: 'Bearer',
      expires_in: TOKEN_SECONDS - spent,
    },
  };
}
