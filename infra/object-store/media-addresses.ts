import { signQuery, verifyQuery } from './object-store-signing.ts';

/** Makes the addresses of media files and checks them when they are asked for. */
export type MediaAddresses = {
  /**
   * The address of a file. A private account's is signed: it stays good for one to two hours, the same all the while.
   */
  of(key: string, options: { isPrivate: boolean }): string;
  /** Whether the query of a request vouches for a private account's file. */
  isSigned(key: string, search: string): boolean;
};

const HOUR_MS = 3_600_000;
const PURPOSE = 'media';

/** Addresses below `publicUrl` (relative ones without it), signed with a key derived from `secret`. */
export function createMediaAddresses({
  publicUrl,
  secret,
  now,
}: {
  publicUrl: string | undefined;
  secret: string;
  now: () => Date;
}): MediaAddresses {
  const base = `${publicUrl?.replace(/\/$/, '') ?? ''}/media/`;
  return {
    of: (key, { isPrivate }) => {
      if (!isPrivate) return base + key;
      // Whole hours, so that a client's cache knows the address again on the next page.
      const expiresAt = new Date((Math.floor(now().getTime() / HOUR_MS) + 2) * HOUR_MS);
      return `${base}${key}?${signQuery({ secret, purpose: PURPOSE, key, claims: {}, expiresAt })}`;
    },
    isSigned: (key, search) => verifyQuery({ secret, purpose: PURPOSE, key, search, now: now() }).ok,
  };
}
