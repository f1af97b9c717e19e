import { LRUCache } from 'lru-cache';
import { Looks, type ChangesHeard } from '../process/invalidation-source.ts';
import type { Authenticator } from '../http/services.ts';
import type { Tokens } from './jwt.ts';
import type { Sessions } from '../vault/vault-sessions.ts';

/** How long a session that was seen alive is trusted while nobody says that it has ended. */
const TRUST_MS = 10_000;
/**
 * The same while endings may go unheard: so long may an ended session still be used at most. `SESSIONS_ENDED` says when
 * that is.
 */
const UNHEARD_TRUST_MS = 1_000;
const TRUSTED = 50_000;

export type AuthenticatorOptions = {
  /** The ids of sessions as they end, in whatever process. Without it nothing is trusted for longer than a second. */
  readonly ended?: ChangesHeard;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
};

/**
 * Checks access tokens, and that their session has not been ended by a log-out, a new password or an erasure: at once
 * where the ending is heard, else within a second.
 */
export function createAuthenticator(
  tokens: Tokens,
  sessions: Pick<Sessions, 'isAlive'>,
  { ended, now = () => performance.now() }: AuthenticatorOptions = {},
): Authenticator {
  const seenAt = new LRUCache<string, number>({ max: TRUSTED });
  const looks = new Looks();
  ended?.onChanges((changes) => {
    if (changes === 'all') seenAt.clear();
    else for (const session of changes) seenAt.delete(session);
    looks.note(changes);
  });
  const isTrusted = (session: string) =>
    now() - (seenAt.get(session) ?? -Infinity) < (ended?.complete === true ? TRUST_MS : UNHEARD_TRUST_MS);
  const isAlive = async (session: string): Promise<boolean> => {
    const look = looks.begin();
    try {
      const asked = now();
      const alive = await sessions.isAlive(session, new Date());
      // One that ended while it was asked for is not kept as it was found.
      if (alive && !look.all && !look.since.has(session)) seenAt.set(session, asked);
      return alive;
    } finally {
      looks.end(look);
    }
  };
  return {
    operator: (token) => tokens.operator(token),
    async account(token) {
      const verdict = await tokens.account(token);
      const session = verdict.ok ? verdict.account.session : undefined;
      if (session === undefined || isTrusted(session) || (await isAlive(session))) return verdict;
      return { ok: false, reason: 'session_ended' };
    },
  };
}
