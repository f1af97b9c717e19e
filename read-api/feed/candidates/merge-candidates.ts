import { LRUCache } from 'lru-cache';
import { FEED } from '../../../domain/limits.ts';
import type { AccountId } from '../../../domain/ids.ts';
import type { Entry } from '../../../infra/redis/sorted-index.ts';

type Merged = {
  readonly feed: readonly Entry[];
  readonly pulled: readonly (readonly Entry[])[];
  readonly from: number;
  readonly until: number;
  readonly posts: readonly Entry[];
};

/** Entries of all lists together; most are entries of an index as well, and cost a pointer. */
const MERGED = {
  maxSize: 1_000_000,
  sizeCalculation: ({ posts }: Merged) => posts.length + 1,
  ttl: 60_000,
  ttlAutopurge: true,
};

/**
 * Puts feeds and celebrities' posts together. Out of the same lists comes the same list, until an entry of it is too
 * old.
 */
export class Merger {
  readonly #last = new LRUCache<AccountId, Merged>(MERGED);

  merged(viewer: AccountId, { feed, pulled }: Pick<Merged, 'feed' | 'pulled'>, now: number): readonly Entry[] {
    const last = this.#last.get(viewer);
    if (last?.feed === feed && now >= last.from && now < last.until && areSame(pulled, last.pulled)) return last.posts;
    const posts = merged(feed, pulled.flat(), now);
    this.#last.set(viewer, { feed, pulled, from: now, until: (posts.at(-1)?.score ?? now) + FEED.windowMs, posts });
    return posts;
  }
}

function areSame<T>(some: readonly T[], others: readonly T[]): boolean {
  return some.length === others.length && some.every((one, i) => one === others[i]);
}

function merged(feed: readonly Entry[], pulled: readonly Entry[], now: number): Entry[] {
  const since = now - FEED.windowMs;
  const recent = [...feed, ...pulled].filter(({ score }) => score > since);
  if (pulled.length === 0) return recent;
  // A post in both has the same place in both.
  return recent.sort(newestFirst).filter(({ id }, i, all) => id !== all[i - 1]?.id);
}

function newestFirst(a: Entry, b: Entry): number {
  return b.score - a.score || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}
