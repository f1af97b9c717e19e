import { z } from 'zod';
import { TOKEN_SECONDS, type Tokens } from '../infra/auth/jwt.ts';
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
    issue: async (sessionId: string, now: Date) => {
      const issued = await sessions.issue(sessionId, now);
      if (issued === undefined)
        return { ok: false as const, refusal: { code: 'session_ended' as const, detail: 'log in again' } };
      const accessToken = await tokens.forAccount(issued.accountId, sessionId, now);
      return {
        ok: true as const,
        fields: {
          access_token: accessToken,
          refresh_token: issued.refreshToken,
          token_type: 'Bearer',
          expires_in: TOKEN_SECONDS,
        },
      };
    },
  };
}
