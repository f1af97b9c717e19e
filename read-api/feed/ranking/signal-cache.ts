import { postSignals, type PostSignals } from '../../../projections/queries/post-signals.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import type { Candidate } from '../candidates/home-candidates.ts';
import { engagementOf, type Rankable } from './ranking.ts';

/** About 200 bytes each. */
const SIGNALS = { max: 500_000, refreshAtOnce: 500 };
/**
 * Counts of a new post grow faster than an old one's: they are looked up again after this share of its age, within
 * bounds.
 */
const FRESH = { shareOfAge: 0.01, leastMs: 30_000, mostMs: 900_000 };

type Known = { readonly rankable: Rankable; readonly freshUntil: number };

/** What is known of posts; what grew old is still used while it is looked up again behind the answer. */
export class SignalCache {
  // Not an LRU: every reader asks for hundreds, and what is asked for often is soon there again.
  readonly #known = new Map<string, Known>();
  readonly #stale = new Set<string>();
  #refreshing = false;

  /** The signals of those candidates that are published, in their order. */
  async of(read: ReadContext, candidates: readonly Candidate[]): Promise<Rankable[]> {
    const first = candidates.map(({ id }) => this.#known.get(id));
    const missing = candidates.filter((_, i) => first[i] === undefined).map(({ id }) => id);
    if (missing.length > 0) await this.#load(read, missing);
    const now = performance.now();
    const found: Rankable[] = [];
    for (const [i, { id }] of candidates.entries()) {
      const known = first[i] ?? this.#known.get(id);
      if (known === undefined) continue;
      found.push(known.rankable);
      if (now > known.freshUntil) this.#stale.add(id);
    }
    if (this.#stale.size > 0) this.#refresh(read);
    return found;
  }

  async #load(read: ReadContext, ids: readonly string[]): Promise<void> {
    for (const signals of await postSignals(read, ids)) {
      const rankable = rankableOf(signals);
      const ageMs = Date.now() - rankable.at;
      this.#known.set(rankable.id, {
        rankable,
        freshUntil: performance.now() + Math.min(FRESH.mostMs, Math.max(FRESH.leastMs, ageMs * FRESH.shareOfAge)),
      });
    }
    for (const id of this.#known.keys()) {
      if (this.#known.size <= SIGNALS.max) break;
      this.#known.delete(id);
    }
  }

  #refresh(read: ReadContext): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const ids = [...this.#stale].slice(0, SIGNALS.refreshAtOnce);
    for (const id of ids) this.#stale.delete(id);
    // What cannot be refreshed now is asked for again by the next request.
    this.#load(read, ids)
      .catch(() => undefined)
      .finally(() => {
        this.#refreshing = false;
      });
  }
}

/** A post's signals as ranking takes them. */
export function rankableOf({ post_id, author_id, published_ms, tags, ...counts }: PostSignals): Rankable {
  return { id: post_id, author: author_id, at: published_ms, tags, engagement: engagementOf(counts) };
}
