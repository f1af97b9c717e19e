import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Authenticator } from '../infra/http/services.ts';
import { TOKEN_SECONDS, type Tokens } from '../infra/jwt.ts';
import type { Sessions } from '../infra/vault-sessions.ts';

/** How long a session that was seen alive is trusted: so long may an ended one still write. */
const TRUST_MS = 10_000;
const TRUSTED = 50_000;

/** Checks access tokens, and that their session has not been ended by a log-out, a new password or an erasure. */
export function createAuthenticator(tokens: Tokens, sessions: Sessions): Authenticator {
  const alive = new LRUCache<string, true>({ max: TRUSTED, ttl: TRUST_MS });
  return {
    operator: (token) => tokens.operator(token),
    async account(token) {
      const verdict = await tokens.account(token);
      const session = verdict.ok ? verdict.account.session : undefined;
      if (session === undefined || alive.has(session)) return verdict;
      if (!(await sessions.isAlive(session, new Date()))) return { ok: false, reason: 'session_ended' };
      alive.set(session, true);
      return verdict;
    },
  };
}

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
      if (issued === undefined) return { ok: false as const, refusal: { code: 'session_ended' as const, detail: 'log in again' } };
      const accessToken = await tokens.forAccount(issued.accountId, sessionId, now);
      return { ok: true as const, fields: { access_token: accessToken, refresh_token: issued.refreshToken, token_type: 'Bearer', expires_in: TOKEN_SECONDS } };
    },
  };
}
