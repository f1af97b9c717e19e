import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { AccountId } from '../../domain/ids.ts';
import type { Sql, Transaction } from '../postgres.ts';

/** How long a refresh token, and a session that is not refreshed, lasts. */
export const REFRESH_TOKEN_MS = 7 * 24 * 3_600_000;
/**
 * So long after its use a refresh token is answered with the same successor: two tabs of one browser hold the same
 * token and refresh at once, and an answer is lost on the way. Later it is a copy in other hands.
 */
export const REFRESH_GRACE_MS = 10_000;

/** A refresh token that was made, and when: the access token beside it is of the same moment. */
export type IssuedToken = { readonly refreshToken: string; readonly accountId: AccountId; readonly issuedAt: Date };

/** What became of a refresh token. `reused`: somebody kept an old one, so its whole session has to end. */
export type Rotation =
  | { readonly kind: 'rotated'; readonly sessionId: string; readonly accountId: AccountId }
  | { readonly kind: 'unknown' | 'expired' | 'ended' }
  | { readonly kind: 'reused'; readonly sessionId: string };

const Used = z.object({
  session_id: z.uuid(),
  account_id: AccountId,
  used_by: z.uuid().nullable(),
  used_at: z.date().nullable(),
  successor: z.instanceof(Buffer).nullable(),
  token_expires_at: z.date(),
  ended_at: z.date().nullable(),
});
type Used = z.infer<typeof Used>;
const Owner = z.array(z.object({ account_id: AccountId }));

/**
 * Gives a session another refresh token and prolongs it; undefined when it has ended. Of the token only a hash is kept.
 */
export async function issueToken(tx: Transaction, sessionId: string, now: Date): Promise<IssuedToken | undefined> {
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
  return { refreshToken, accountId: owner.account_id, issuedAt: now };
}

/**
 * Uses a token up and makes its successor, once: whoever comes in the time of grace, and the same command at any time,
 * changes nothing.
 */
export async function rotateToken(
  tx: Transaction,
  { refreshToken, commandId, now }: { refreshToken: string; commandId: string; now: Date },
): Promise<Rotation> {
  const token = await find(tx, refreshToken, 'for update of t, s');
  if (token === undefined) return { kind: 'unknown' };
  if (token.ended_at !== null) return { kind: 'ended' };
  if (token.token_expires_at <= now) return { kind: 'expired' };
  const { session_id: sessionId, account_id: accountId } = token;
  if (token.used_by !== null)
    return inGrace(token, now) || token.used_by === commandId
      ? { kind: 'rotated', sessionId, accountId }
      : { kind: 'reused', sessionId };
  const next = await issueToken(tx, sessionId, now);
  if (next === undefined) return { kind: 'expired' };
  await tx.query('update vault.refresh_token set used_by = $2, used_at = $3, successor = $4 where token_hash = $1', [
    hashOf(refreshToken),
    commandId,
    now,
    seal(next.refreshToken, refreshToken),
  ]);
  return { kind: 'rotated', sessionId, accountId };
}

/**
 * The successor of a token that was used just now; undefined later, for an unknown token, and once the session has
 * ended.
 */
export async function successorOf(sql: Sql, refreshToken: string, now: Date): Promise<IssuedToken | undefined> {
  const token = await find(sql, refreshToken, '');
  if (token?.ended_at !== null || !inGrace(token, now) || token.used_at === null || token.successor === null)
    return undefined;
  return { refreshToken: open(token.successor, refreshToken), accountId: token.account_id, issuedAt: token.used_at };
}

/** Forgets the successors that nobody is given any more. */
export async function forgetSuccessors(sql: Sql, now: Date): Promise<void> {
  await sql.query('update vault.refresh_token set successor = null where successor is not null and used_at < $1', [
    new Date(now.getTime() - REFRESH_GRACE_MS),
  ]);
}

async function find(
  sql: Pick<Transaction, 'query'>,
  refreshToken: string,
  locking: 'for update of t, s' | '',
): Promise<Used | undefined> {
  const { rows } = await sql.query(
    `select t.session_id, s.account_id, t.used_by, t.used_at, t.successor, t.expires_at as token_expires_at, s.ended_at
     from vault.refresh_token t join vault.session s using (session_id) where t.token_hash = $1 ${locking}`,
    [hashOf(refreshToken)],
  );
  return rows.length === 0 ? undefined : Used.parse(rows[0]);
}

function inGrace({ used_at }: Used, now: Date): boolean {
  return used_at !== null && now.getTime() - used_at.getTime() < REFRESH_GRACE_MS;
}

/** When a session that is used now runs out. */
export function expiry(now: Date): Date {
  return new Date(now.getTime() + REFRESH_TOKEN_MS);
}

function hashOf(refreshToken: string): Buffer {
  return createHash('sha256').update(refreshToken).digest();
}

// Sealed with the token that it follows, of which the database has a hash alone: neither opens it without the other.
function seal(successor: string, token: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(token), nonce);
  return Buffer.concat([nonce, cipher.update(successor, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

function open(sealed: Buffer, token: string): string {
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(token), sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString('utf8');
}

function sealingKey(token: string): Buffer {
  return Buffer.from(hkdfSync('sha256', token, '', 'refresh-token-successor', 32));
}
