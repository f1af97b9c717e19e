import type { AccountId } from '../../domain/ids.ts';
import { inTransaction, type Pool, type Sql } from '../postgres.ts';
import { expiry, issueToken, rotateToken, successorOf, type IssuedToken, type Rotation } from './vault-refresh.ts';

/**
 * Where the sessions that have ended are announced, as a JSON list of ids, and how to listen: one that ended a second
 * ago is heard, or may be known to be missed.
 */
export const SESSIONS_ENDED = { channel: 'shutterlog_sessions_ended', beatMs: 250, silentMs: 1_000 } as const;

/**
 * Login sessions: a session is the family of all refresh tokens that descend from one login. Whatever ends one
 * announces it.
 */
export type Sessions = {
  /** Begins a session under this id (a UUID); repeated with the same id it changes nothing. */
  begin(sessionId: string, accountId: AccountId, now: Date): Promise<void>;
  /** Gives the session another refresh token and prolongs it; undefined when the session has ended. */
  issue(sessionId: string, now: Date): Promise<IssuedToken | undefined>;
  /**
   * Uses a refresh token up, on behalf of a command, and makes its successor. For ten seconds it may be used again, by
   * the same command at any time, with the same successor; anybody else ends the session.
   */
  rotate(refreshToken: string, commandId: string, now: Date): Promise<Rotation>;
  /** What `rotate` made of a token in the last ten seconds. */
  successorOf(refreshToken: string, now: Date): Promise<IssuedToken | undefined>;
  /** Whether the session goes on. */
  isAlive(sessionId: string, now: Date): Promise<boolean>;
  end(sessionId: string, now: Date): Promise<void>;
  /** Ends the account's sessions, but for one that may be spared. */
  endAll(accountId: AccountId, now: Date, spared?: string): Promise<void>;
};

/** Reads and writes vault.session and vault.refresh_token; of a refresh token only its hash is kept. */
export function createSessions(pool: Pool): Sessions {
  return {
    async begin(sessionId, accountId, now) {
      await pool.query(
        'insert into vault.session (session_id, account_id, began_at, expires_at) values ($1, $2, $3, $4) on conflict do nothing',
        [sessionId, accountId, now, expiry(now)],
      );
    },
    issue: (sessionId, now) => inTransaction(pool, (tx) => issueToken(tx, sessionId, now)),
    rotate: (refreshToken, commandId, now) =>
      inTransaction(pool, async (tx) => {
        const rotation = await rotateToken(tx, { refreshToken, commandId, now });
        if (rotation.kind === 'reused') await endThose(tx, 'session_id = $2', [now, rotation.sessionId]);
        return rotation;
      }),
    successorOf: (refreshToken, now) => successorOf(pool, refreshToken, now),
    async isAlive(sessionId, now) {
      const { rowCount } = await pool.query(
        'select 1 from vault.session where session_id = $1 and ended_at is null and expires_at > $2',
        [sessionId, now],
      );
      return rowCount === 1;
    },
    end: (sessionId, now) => endThose(pool, 'session_id = $2', [now, sessionId]),
    endAll: (accountId, now, spared) =>
      endThose(pool, 'account_id = $2 and session_id is distinct from $3::uuid', [now, accountId, spared ?? null]),
  };
}

// One notice for each: PostgreSQL takes no long ones. It goes out when the ending is committed.
async function endThose(sql: Pick<Sql, 'query'>, which: string, values: readonly unknown[]): Promise<void> {
  await sql.query(
    `with ended as (update vault.session set ended_at = $1 where ${which} and ended_at is null returning session_id)
     select pg_notify('${SESSIONS_ENDED.channel}', json_build_array(session_id)::text) from ended`,
    [...values],
  );
}
