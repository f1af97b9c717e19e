import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { AccountId } from '../../domain/ids.ts';
import { inTransaction, type Pool, type Transaction } from '../postgres.ts';

/** How long a refresh token, and a session that is not refreshed, lasts. */
export const REFRESH_TOKEN_MS = 7 * 24 * 3_600_000;

/** What became of a refresh token. `reused`: somebody kept an old one, so its whole session has been ended. */
export type Rotation =
  | { readonly kind: 'rotated'; readonly sessionId: string; readonly accountId: AccountId }
  | { readonly kind: 'unknown' | 'expired' | 'ended' | 'reused' };

/** Login sessions: a session is the family of all refresh tokens that descend from one login. */
export type Sessions = {
  /** Begins a session under this id (a UUID); repeated with the same id it changes nothing. */
  begin(sessionId: string, accountId: AccountId, now: Date): Promise<void>;
  /** Gives the session another refresh token and prolongs it; undefined when the session has ended. */
  issue(
    sessionId: string,
    now: Date,
  ): Promise<{ readonly refreshToken: string; readonly accountId: AccountId } | undefined>;
  /**
   * Uses a refresh token up, on behalf of a command: the same command may use it again, anybody else ends the session.
   */
  rotate(refreshToken: string, commandId: string, now: Date): Promise<Rotation>;
  /** Whether the session goes on. */
  isAlive(sessionId: string, now: Date): Promise<boolean>;
  end(sessionId: string, now: Date): Promise<void>;
  /** Ends the account's sessions, but for one that may be spared. */
  endAll(accountId: AccountId, now: Date, spared?: string): Promise<void>;
};

const Token = z.object({
  session_id: z.uuid(),
  account_id: AccountId,
  used_by: z.uuid().nullable(),
  token_expires_at: z.date(),
  ended_at: z.date().nullable(),
});
const Owner = z.array(z.object({ account_id: AccountId }));

/** Reads and writes vault.session and vault.refresh_token; of a refresh token only its hash is kept. */
export function createSessions(pool: Pool): Sessions {
  return {
    async begin(sessionId, accountId, now) {
      await pool.query(
        'insert into vault.session (session_id, account_id, began_at, expires_at) values ($1, $2, $3, $4) on conflict do nothing',
        [sessionId, accountId, now, expiry(now)],
      );
    },
    issue: (sessionId, now) => inTransaction(pool, (tx) => issue(tx, sessionId, now)),
    rotate: (refreshToken, commandId, now) =>
      inTransaction(pool, (tx) => rotate(tx, { hash: hashOf(refreshToken), commandId, now })),
    async isAlive(sessionId, now) {
      const { rowCount } = await pool.query(
        'select 1 from vault.session where session_id = $1 and ended_at is null and expires_at > $2',
        [sessionId, now],
      );
      return rowCount === 1;
    },
    async end(sessionId, now) {
      await pool.query('update vault.session set ended_at = $2 where session_id = $1 and ended_at is null', [
        sessionId,
        now,
      ]);
    },
    async endAll(accountId, now, spared) {
      await pool.query(
        'update vault.session set ended_at = $2 where account_id = $1 and ended_at is null and session_id is distinct from $3::uuid',
        [accountId, now, spared ?? null],
      );
    },
  };
}

function expiry(now: Date): Date {
  return new Date(now.getTime() + REFRESH_TOKEN_MS);
}

function hashOf(refreshToken: string): Buffer {
  return createHash('sha256').update(refreshToken).digest();
}

async function issue(
  tx: Transaction,
  sessionId: string,
  now: Date,
): Promise<{ refreshToken: string; accountId: AccountId } | undefined> {
  const { rows } = await tx.query(
    'update vault.session set expires_at = $3 where session_id = $1 and ended_at is null and expires_at > $2 returning account_id',
    [sessionId, now, expiry(now)],
  );
  const owner = Owner.parse(rows)[0];
  if (owner === undefined) return undefined;
  const refreshToken = randomBytes(32).toString('base64url');
  await tx.query('insert into vault.refresh_token (token_hash, session_id, expires_at) values ($1, $2, $3)', [
    hashOf(refreshToken),
    sessionId,
    expiry(now),
  ]);
  return { refreshToken, accountId: owner.account_id };
}

async function rotate(
  tx: Transaction,
  { hash, commandId, now }: { hash: Buffer; commandId: string; now: Date },
): Promise<Rotation> {
  const { rows } = await tx.query(
    `select t.session_id, s.account_id, t.used_by, t.expires_at as token_expires_at, s.ended_at
     from vault.refresh_token t join vault.session s using (session_id) where t.token_hash = $1 for update of t, s`,
    [hash],
  );
  if (rows.length === 0) return { kind: 'unknown' };
  const token = Token.parse(rows[0]);
  if (token.ended_at !== null) return { kind: 'ended' };
  if (token.token_expires_at <= now) return { kind: 'expired' };
  if (token.used_by !== null && token.used_by !== commandId) {
    await tx.query('update vault.session set ended_at = $2 where session_id = $1', [token.session_id, now]);
    return { kind: 'reused' };
  }
  await tx.query('update vault.refresh_token set used_by = $2 where token_hash = $1', [hash, commandId]);
  return { kind: 'rotated', sessionId: token.session_id, accountId: token.account_id };
}
