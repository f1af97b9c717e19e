import { LRUCache } from 'lru-cache';
import type { Authenticator } from '../http/services.ts';
import type { Tokens } from './jwt.ts';
import type { Sessions } from '../vault/vault-sessions.ts';

/** How long a session that was seen alive is trusted: so long may an ended one still be used. */
const TRUST_MS = 10_000;
const TRUSTED = 50_000;

/** Checks access tokens, and that their session has not been ended by a log-out, a new password or an erasure. */
export function createAuthenticator(tokens: Tokens, sessions: Pick<Sessions, 'isAlive'>): Authenticator {
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
