import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What a signature vouches for. An upload and a download of the same key never share a signature. */
export type SignedClaims = Readonly<Record<string, string>>;

export type SignedUrlCheck =
  | { readonly ok: true; readonly claims: SignedClaims }
  | { readonly ok: false; readonly code: 'signature_invalid' | 'signature_expired' };

interface SigningInput {
  readonly secret: string;
  /** Keeps the URLs of one use from serving another, for example `upload`. */
  readonly purpose: string;
  readonly key: string;
}

/**
 * The query string (without `?`) that vouches for `claims` on `key` until `expiresAt`, to the second.
 * Claim names must differ from `expires` and `signature`.
 */
export function signQuery(input: SigningInput & { readonly claims: SignedClaims; readonly expiresAt: Date }): string {
  const query = new URLSearchParams({ ...input.claims, expires: String(Math.floor(input.expiresAt.getTime() / 1000)) });
  query.sort();
  const signature = signatureOf(input, query);
  query.set('signature', signature);
  return query.toString();
}

/** Checks a query string made by `signQuery` at time `now`; the claims come back only when all is well. */
export function verifyQuery(input: SigningInput & { readonly search: string; readonly now: Date }): SignedUrlCheck {
  const query = new URLSearchParams(input.search);
  const given = query.get('signature') ?? '';
  query.delete('signature');
  query.sort();
  if (!equal(given, signatureOf(input, query))) return { ok: false, code: 'signature_invalid' };
  const { expires, ...claims } = Object.fromEntries(query);
  if (!(Number(expires) * 1000 > input.now.getTime())) return { ok: false, code: 'signature_expired' };
  return { ok: true, claims };
}

function signatureOf({ secret, purpose, key }: SigningInput, query: URLSearchParams): string {
  const purposeKey = Buffer.from(hkdfSync('sha256', secret, '', `signed-url ${purpose}`, 32));
  return createHmac('sha256', purposeKey).update(`${key}\n${query.toString()}`).digest('base64url');
}

function equal(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
