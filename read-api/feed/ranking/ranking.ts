/** What ranking is told of a candidate. `engagement` comes from `engagementOf`. */
export type Rankable = {
  readonly id: string;
  readonly author: string;
  readonly at: number;
  readonly engagement: number;
  readonly tags: readonly string[];
};

/** What it is told of the viewer: how close it is to authors, from 0 to 1, and how much it likes hashtags, likewise. */
export type Taste = { readonly authors: ReadonlyMap<string, number>; readonly tags: ReadonlyMap<string, number> };

const HOUR_MS = 3_600_000;
const FRESH_FOR_HOURS = 6;
const STAGE_TWO_CANDIDATES = 200;

/** How much a post engages: about 0 to 1, by the logarithm of what people did. */
export function engagementOf({ likes, comments, saves }: { likes: number; comments: number; saves: number }): number {
  return (0.5 * Math.log1p(likes) + 0.3 * Math.log1p(comments) + 0.2 * Math.log1p(saves)) / 10;
}

/** From 1 for a post of this moment towards 0. */
export function freshnessOf(at: number, now: number): number {
  return Math.exp(-Math.max(0, now - at) / HOUR_MS / FRESH_FOR_HOURS);
}

/**
 * Ranks candidates for a viewer in two stages: a cheap score picks 200, a finer one orders them. Best first; ties go to
 * the newer post, then to the greater id, so that the order is the same everywhere.
 */
export function rank(candidates: readonly Rankable[], taste: Taste, now: number): Rankable[] {
  return best(mostPromising(candidates, now), (candidate) => scoreFor(candidate, taste, now));
}

/**
 * The 200 with the best first score, in no order. Numbers alone are sorted: candidates are many, and this runs for
 * every reader.
 */
function mostPromising(candidates: readonly Rankable[], now: number): readonly Rankable[] {
  if (candidates.length <= STAGE_TWO_CANDIDATES) return candidates;
  const scores = Float64Array.from(candidates, ({ at, engagement }) => 0.4 * freshnessOf(at, now) + 0.6 * engagement);
  const least = scores.toSorted()[scores.length - STAGE_TWO_CANDIDATES] ?? 0;
  const better = candidates.filter((_, i) => (scores[i] ?? 0) > least);
  const equal = candidates.filter((_, i) => scores[i] === least).sort(newestFirst);
  return [...better, ...equal.slice(0, STAGE_TWO_CANDIDATES - better.length)];
}

function scoreFor({ author, at, engagement, tags }: Rankable, taste: Taste, now: number): number {
  const interest = Math.min(
    1,
    tags.reduce((sum, tag) => sum + (taste.tags.get(tag) ?? 0), 0),
  );
  return (
    0.4 * interest + 0.3 * (taste.authors.get(author) ?? 0) + 0.2 * freshnessOf(at, now) + 0.1 * Math.min(1, engagement)
  );
}

function best(candidates: readonly Rankable[], scoreOf: (candidate: Rankable) => number): Rankable[] {
  const scored = candidates.map((candidate) => ({ candidate, score: scoreOf(candidate) }));
  scored.sort((a, b) => b.score - a.score || newestFirst(a.candidate, b.candidate));
  return scored.map(({ candidate }) => candidate);
}

/** Orders by publication, newest first, the greater id first at the same millisecond. */
export function newestFirst(
  a: { readonly id: string; readonly at: number },
  b: { readonly id: string; readonly at: number },
): number {
  return b.at - a.at || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

/** So many posts stand between two recommendations: with these a page of 20 holds two or three. */
const BETWEEN_RECOMMENDATIONS = 6;

/** Mixes recommendations into a ranked list, one after every six posts, as long as there are both. */
export function withRecommendations(ranked: readonly string[], recommended: readonly string[]): string[] {
  const known = new Set(ranked);
  const fresh = recommended.filter((id) => !known.has(id));
  return ranked.flatMap((id, i) => {
    const extra = (i + 1) % BETWEEN_RECOMMENDATIONS === 0 ? fresh[(i + 1) / BETWEEN_RECOMMENDATIONS - 1] : undefined;
    return extra === undefined ? [id] : [id, extra];
  });
}

/** At most so many posts of one author on a page, as long as others can fill it. */
export const POSTS_OF_ONE_AUTHOR = 3;

/** Posts in an order; from the place `relaxedFrom` on there were not enough authors to keep to three posts of each. */
export type Spread = { readonly posts: readonly Rankable[]; readonly relaxedFrom: number };

/** Moves posts back so that no stretch of `page` holds more than three of one author, as far as there are others. */
export function spreadAuthors(ranked: readonly Rankable[], page: number): Spread {
  const spread: Rankable[] = [];
  let relaxedFrom = ranked.length;
  let waiting: Rankable[] = [];
  let next = 0;
  while (spread.length < ranked.length) {
    const counts = new Map<string, number>();
    const chosen: Rankable[] = [];
    const later: Rankable[] = [];
    const offer = (one: Rankable) => {
      const count = counts.get(one.author) ?? 0;
      const fits = chosen.length < page && count < POSTS_OF_ONE_AUTHOR;
      if (fits) counts.set(one.author, count + 1);
      (fits ? chosen : later).push(one);
    };
    waiting.forEach(offer);
    for (let one = ranked[next]; chosen.length < page && one !== undefined; one = ranked[next]) {
      offer(one);
      next += 1;
    }
    if (chosen.length < page && later.length > 0) relaxedFrom = Math.min(relaxedFrom, spread.length + chosen.length);
    spread.push(...chosen, ...later.splice(0, page - chosen.length));
    waiting = later;
  }
  return { posts: spread, relaxedFrom };
}
