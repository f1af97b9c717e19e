import { createSecretKey, type KeyObject } from 'node:crypto';
import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import { AccountId } from '../../domain/ids.ts';
import type { TokenVerdict } from '../http/services.ts';

/** How long an access or operator token is valid. */
export const TOKEN_SECONDS = 3_600;

const CHECKED_TOKENS = 20_000;
const CHECKED_OPERATORS = 100;
const ISSUER = 'shutterlog';
const ACCOUNTS = 'shutterlog-api';
const OPERATORS = 'shutterlog-operator';

/** Signs and checks the tokens of this installation. */
export type Tokens = {
  /** An access token for an account, good for an hour; `session` lets a log-out end it. */
  forAccount(accountId: AccountId, session: string, now: Date): Promise<string>;
  account(token: string): Promise<TokenVerdict>;
  operator(token: string): Promise<boolean>;
};

/** Tokens by HMAC-SHA-256 with the secret of JWT_SECRET. */
export function createTokens(secret: string): Tokens {
  const key = keyOf(secret);
  // Clients send the same token again and again, and checking a signature costs more than the rest of a small request.
  const checked = new LRUCache<string, TokenVerdict>({ max: CHECKED_TOKENS });
  const operators = new LRUCache<string, true>({ max: CHECKED_OPERATORS });
  return {
    forAccount: (accountId, session, now) =>
      sign(key, { audience: ACCOUNTS, subject: accountId, now, claims: { sid: session } }),
    account: async (token) =>
      checked.get(token) ??
      verifyAccount(key, token, (verdict, ttl) => {
        checked.set(token, verdict, { ttl });
      }),
    operator: async (token) =>
      operators.has(token) ||
      verifyOperator(key, token, (ttl) => {
        operators.set(token, true, { ttl });
      }),
  };
}

/** An operator token, good for an hour: requests that carry it are free of rate limits. */
export function signOperatorToken(secret: string, now: Date): Promise<string> {
  return sign(keyOf(secret), { audience: OPERATORS, subject: 'operator', now, claims: {} });
}

// As a key object, which the library imports once and not for each token.
function keyOf(secret: string): KeyObject {
  return createSecretKey(secret, 'utf8');
}

type Signing = {
  readonly audience: string;
  readonly subject: string;
  readonly now: Date;
  readonly claims: Record<string, string>;
};

function sign(key: KeyObject, { audience, subject, now, claims }: Signing): Promise<string> {
  const seconds = Math.floor(now.getTime() / 1000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setSubject(subject)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + TOKEN_SECONDS)
    .sign(key);
}

async function verifyAccount(
  key: KeyObject,
  token: string,
  remember: (verdict: TokenVerdict, ttlMs: number) => void,
): Promise<TokenVerdict> {
  try {
    const { payload } = await jwtVerify(token, key, { issuer: ISSUER, audience: ACCOUNTS, algorithms: ['HS256'] });
    const id = AccountId.safeParse(payload.sub);
    if (!id.success) return { ok: false, reason: 'invalid' };
    const session = payload['sid'];
    const verdict: TokenVerdict = {
      ok: true,
      account: typeof session === 'string' ? { id: id.data, session } : { id: id.data },
    };
    if (leftMs(payload) > 0) remember(verdict, leftMs(payload));
    return verdict;
  } catch (error) {
    return { ok: false, reason: error instanceof errors.JWTExpired ? 'expired' : 'invalid' };
  }
}

async function verifyOperator(key: KeyObject, token: string, remember: (ttlMs: number) => void): Promise<boolean> {
  try {
    const { payload } = await jwtVerify(token, key, { issuer: ISSUER, audience: OPERATORS, algorithms: ['HS256'] });
    if (leftMs(payload) > 0) remember(leftMs(payload));
    return true;
  } catch {
    return false;
  }
}

// 0 for a token without an end: none is signed here, and one that were must not be remembered for ever.
function leftMs({ exp }: JWTPayload): number {
  return Math.max(0, (exp ?? 0) * 1000 - Date.now());
}
