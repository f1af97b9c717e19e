import { createHmac, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';

/** Hashes passwords with argon2id, a bounded number at a time. */
export type Passwords = {
  hash(password: string): Promise<string>;
  /** Whether the password fits the hash; without a hash it takes as long and says no. */
  verify(passwordHash: string | undefined, password: string): Promise<boolean>;
  /**
   * For imports by an operator: accounts with the same password get the same hash, so that thousands of them cost one.
   * Kept in this process only, under a keyed digest of the password.
   */
  hashForImport(password: string): Promise<string>;
};

/** More callers wait for a hash than this process could serve in reasonable time. */
export class TooManyHashesError extends Error {
  override readonly name = 'TooManyHashesError';
}

// Argon2id is the library's default algorithm; memory in KiB.
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const WAITING = 200;

/** Makes the hasher; computing the decoy hash takes some milliseconds. */
export async function createPasswords({
  atOnce = 2,
  cost = COST,
}: {
  atOnce?: number;
  cost?: typeof COST | { memoryCost: number; timeCost: number; parallelism: number };
} = {}): Promise<Passwords> {
  const limit = pLimit(atOnce);
  const bounded = <T>(work: () => Promise<T>): Promise<T> => {
    if (limit.pendingCount >= WAITING)
      return Promise.reject(new TooManyHashesError(`${String(WAITING)} passwords wait to be hashed`));
    return limit(work);
  };
  const hashOne = (password: string) => bounded(() => hash(password.normalize('NFKC'), cost));
  const decoy = await hashOne(randomBytes(16).toString('hex'));
  const processKey = randomBytes(32);
  const imported = new LRUCache<string, Promise<string>>({ max: 100 });
  return {
    hash: hashOne,
    async verify(passwordHash, password) {
      const fits = await bounded(() => verify(passwordHash ?? decoy, password.normalize('NFKC')));
      return fits && passwordHash !== undefined;
    },
    hashForImport(password) {
      const digest = createHmac('sha256', processKey).update(password).digest('base64');
      const known = imported.get(digest) ?? hashOne(password);
      imported.set(digest, known);
      known.catch(() => imported.delete(digest));
      return known;
    },
  };
}
