import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { copyObject } from './object-store-copy.ts';
import type { ObjectStore } from './object-store.ts';

export interface IntegrityCheck {
  readonly primary: ObjectStore;
  /** Where good copies are; without it damage is only found. */
  readonly secondary?: ObjectStore;
  readonly keys: Iterable<string> | AsyncIterable<string>;
}

/**
 * Keys by what was found: `restored` were damaged or gone and are whole again, `lost` are damaged or gone in both
 * stores.
 */
export interface IntegrityReport {
  readonly checked: number;
  readonly restored: readonly string[];
  readonly lost: readonly string[];
}

/**
 * Reads objects whole and compares them with the checksums of their upload; puts good copies back where it can.
 * An object without a checksum counts as whole when it can be read. Rejects when a store cannot be reached.
 */
export async function checkIntegrity({ primary, secondary, keys }: IntegrityCheck): Promise<IntegrityReport> {
  const report = { checked: 0, restored: [] as string[], lost: [] as string[] };
  for await (const key of keys) {
    report.checked += 1;
    if (await isWhole(primary, key)) continue;
    const restored =
      secondary !== undefined && (await isWhole(secondary, key)) && (await copyObject(secondary, primary, key));
    (restored ? report.restored : report.lost).push(key);
  }
  return report;
}

/**
 * Up to `count` keys below a prefix, from a random place on (`startAfter`) and around the end: a sample without a full
 * listing.
 */
export async function* sampleKeys(
  store: ObjectStore,
  prefix: string,
  { count, startAfter }: { count: number; startAfter: string },
): AsyncGenerator<string> {
  let given = 0;
  for (const [from, until] of [
    [startAfter, undefined],
    ['', startAfter],
  ] as const) {
    for await (const { key } of store.list(prefix, from)) {
      if (given >= count || (until !== undefined && key > until)) break;
      given += 1;
      yield key;
    }
  }
}

async function isWhole(store: ObjectStore, key: string): Promise<boolean> {
  const found = await store.get(key);
  if (!found.ok) return false;
  const hash = createHash('sha256');
  await pipeline(found.body, hash);
  return found.info.checksumSha256 === null || found.info.checksumSha256 === hash.digest('hex');
}
