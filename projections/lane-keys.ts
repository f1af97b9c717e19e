import { hash } from 'node:crypto';
import type { OwnerId } from '../domain/ids.ts';

/** Lanes order the events of an owner. Their number is fixed: positions and Kafka partitions are kept by lane. */
export const LANES = 32;

/** Keys of one bucket share a slot of a Redis Cluster, so that one call can carry many of them. */
export const BUCKETS = 256;

/** The lane in which the events of an owner are handled, in log order. */
export function laneOf(owner: string): number {
  const known = lanesKnown.get(owner);
  if (known !== undefined) return known;
  if (lanesKnown.size >= KNOWN_AT_MOST) lanesKnown.clear();
  const lane = hashOf(owner) % LANES;
  lanesKnown.set(owner, lane);
  return lane;
}

// Each build that gets an event asks, and its batch asks again: the hash costs more than all else that is done with an
// owner.
const lanesKnown = new Map<string, number>();
const KNOWN_AT_MOST = 50_000;

/** The lanes that must see an event, from the owners in its metadata; each once. */
export function lanesOf(owners: readonly OwnerId[]): number[] {
  const lanes = owners.map(laneOf);
  return lanes.length === 1 ? lanes : [...new Set(lanes)];
}

/**
 * Makes the keys of one kind under a build's prefix, such as `home_feed_3:feed:{17}:acc_…`. The bucket in braces is the
 * hash tag. Nobody else makes keys.
 */
export function keysOf(prefix: string, kind: string): (id: string) => string {
  const head = `${prefix}:${kind}:{`;
  return (id) => `${head}${String(bucketOf(id))}}:${id}`;
}

/** The id in a key of `keysOf`. */
export function idOfKey(key: string): string {
  return key.slice(key.lastIndexOf(':') + 1);
}

/** The kind of a key of `keysOf`; undefined for what lanes keep beside them under the same prefix. */
export function kindOfKey(prefix: string, key: string): string | undefined {
  const [kind, bucket, id] = key.slice(prefix.length + 1).split(':');
  return id !== undefined && bucket !== undefined && /^\{\d+\}$/.test(bucket) ? kind : undefined;
}

// The end of an id is its random part: hashing all of it would cost four times as much and spread no better.
function bucketOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = Math.max(0, id.length - 8); i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  // The low bits of FNV-1a alone mix poorly.
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}

// Other programs that publish to the partitions must agree on this hash, hence a standard one.
function hashOf(text: string): number {
  return parseInt(hash('md5', text, 'hex').slice(0, 8), 16);
}
