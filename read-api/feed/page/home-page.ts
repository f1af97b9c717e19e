import { randomUUID } from 'node:crypto';
import type { AccountId } from '../../../domain/ids.ts';
import type { PostCard } from '../../../projections/queries/post-cards.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import { bitsOf, placesIn, type FeedCursor, type Place } from './cursor.ts';
import type { Candidate, Candidates, FindCandidates } from '../candidates/home-candidates.ts';
import type { Ranker } from '../ranking/ranker.ts';
import type { Order } from '../ranking/order.ts';
import type { FeedSession, FeedSessions, Ranked } from '../cache/sessions.ts';
import { takePage } from './take-page.ts';
import type { Hydration } from './visible-posts.ts';

export type FeedDeps = {
  readonly find: FindCandidates;
  readonly ranker: Ranker;
  readonly sessions: FeedSessions;
  readonly hydration: Hydration;
};

export type FeedRequest = {
  /** Answers the reader; may lag. */
  readonly read: ReadContext;
  /** Must not lag behind lanes. */
  readonly primary: ReadContext;
  readonly viewer: AccountId;
  readonly now: Date;
  readonly limit: number;
  readonly cursor: FeedCursor | undefined;
  /** The request came with a consistency token: nothing that this process remembers of feeds may answer it. */
  readonly fresh: boolean;
  /** Whether recommendations are wanted. */
  readonly mix: boolean;
  /** This process has too much to do: an order that it remembers is good enough. */
  readonly overloaded: boolean;
};

export type FeedPage = {
  readonly cards: readonly PostCard[];
  readonly next: FeedCursor | undefined;
  readonly session: string;
  readonly quality: 'normal' | 'degraded';
  readonly from: 'hit' | 'miss' | 'stale';
};

/**
 * A page of the home feed in ranked order. The first one fixes the order for ten minutes; later ones go on in it. When
 * the order is lost meanwhile they go on by time, behind the oldest post shown, so that nothing comes twice. Where
 * there is too much to do, or no candidates can be had, the viewer's last order is begun again; what it shows is looked
 * up.
 */
export async function rankedHomePage(deps: FeedDeps, request: FeedRequest): Promise<FeedPage> {
  const { cursor } = request;
  if (cursor?.order === 'latest') return latestHomePage(deps, request);
  if (cursor !== undefined) return (await laterPage(deps, request, cursor)) ?? latestHomePage(deps, request);
  const last = request.fresh ? undefined : deps.sessions.latest(request.viewer);
  if (last !== undefined && request.overloaded) return stalePage(deps, request, last);
  let candidates: Candidates;
  try {
    candidates = await deps.find(request);
  } catch (error) {
    if (last === undefined) throw error;
    return stalePage(deps, request, last);
  }
  const order = await deps.ranker.home({ ...request, page: request.limit }, candidates.posts, request);
  return firstPage(deps, request, order, candidates.from);
}

async function stalePage(deps: FeedDeps, request: FeedRequest, last: FeedSession): Promise<FeedPage> {
  return {
    ...(await pageOfSession(deps, request, last, { taken: new Set(), oldest: undefined })),
    quality: 'degraded',
    from: 'stale',
  };
}

/** A page of the home feed, newest first; no session is needed for pages that go on behind a place in time. */
export async function latestHomePage({ find, hydration }: FeedDeps, request: FeedRequest): Promise<FeedPage> {
  const { cursor, read, viewer, limit, fresh } = request;
  const { posts, from } = await find(request);
  const begin = cursor === undefined ? { session: randomUUID(), after: undefined, lost: false } : goneOn(cursor);
  const list = posts
    .filter(({ id, score }) => begin.after === undefined || isBehind({ id, at: score }, begin.after))
    .map(({ id }): Ranked => ({ id, recommended: false }));
  const page = await takePage(hydration(read, viewer, { fresh }), { list, taken: new Set(), limit, spreadUntil: 0 });
  const last = page.more ? placeOf(posts, page.cards.at(-1)) : undefined;
  const next = last && { order: 'latest' as const, session: begin.session, after: last, lost: begin.lost };
  return { cards: page.cards, next, session: begin.session, quality: begin.lost ? 'degraded' : 'normal', from };
}

function goneOn(cursor: FeedCursor): { session: string; after: Place | undefined; lost: boolean } {
  return cursor.order === 'latest'
    ? { ...cursor, lost: cursor.lost === true }
    : { session: cursor.session, after: cursor.oldest, lost: true };
}

/**
 * A page of popular posts by strangers, in an order that is kept like the home feed's; when it is lost, the list ends.
 */
export async function explorePage(deps: FeedDeps, request: FeedRequest): Promise<FeedPage> {
  const { cursor } = request;
  if (cursor !== undefined)
    return (
      (cursor.order === 'kept' ? await laterPage(deps, request, cursor) : undefined) ?? {
        cards: [],
        next: undefined,
        session: cursor.session,
        quality: 'degraded',
        from: 'miss',
      }
    );
  return firstPage(deps, request, await deps.ranker.explore({ ...request, page: request.limit }), 'miss');
}

async function firstPage(
  deps: FeedDeps,
  request: FeedRequest,
  order: Order,
  from: FeedPage['from'],
): Promise<FeedPage> {
  const { session, kept } = deps.sessions.begin(request.viewer, request.now.getTime(), order);
  const [page] = await Promise.all([
    pageOfSession(deps, request, session, { taken: new Set(), oldest: undefined }),
    kept,
  ]);
  return { ...page, quality: order.quality, from };
}

/** Undefined when the session is lost, as when Redis was. */
async function laterPage(
  deps: FeedDeps,
  request: FeedRequest,
  { session: id, taken, oldest }: Extract<FeedCursor, { order: 'kept' }>,
): Promise<FeedPage | undefined> {
  const session = await deps.sessions.find(request.viewer, id);
  if (session === undefined) return undefined;
  const page = await pageOfSession(deps, request, session, { taken: placesIn(taken, session.ranked.length), oldest });
  return { ...page, quality: 'normal', from: 'hit' };
}

type SoFar = { readonly taken: ReadonlySet<number>; readonly oldest: Place | undefined };

async function pageOfSession(
  { hydration }: FeedDeps,
  { read, viewer, limit, fresh }: FeedRequest,
  session: FeedSession,
  soFar: SoFar,
): Promise<Pick<FeedPage, 'cards' | 'next' | 'session'>> {
  const page = await takePage(hydration(read, viewer, { fresh }), {
    list: session.ranked,
    taken: soFar.taken,
    limit,
    spreadUntil: session.relaxedFrom,
  });
  const oldest = oldestOf(page.cards, soFar.oldest);
  const next = page.more
    ? {
        order: 'kept' as const,
        session: session.id,
        taken: bitsOf(page.taken),
        ...(oldest !== undefined && { oldest }),
      }
    : undefined;
  return { cards: page.cards, session: session.id, next };
}

function oldestOf(cards: readonly PostCard[], before: Place | undefined): Place | undefined {
  const places = cards.flatMap(({ post_id, published_at }) =>
    published_at === null ? [] : [{ id: post_id, at: published_at.getTime() }],
  );
  return [...places, ...(before === undefined ? [] : [before])].reduce<Place | undefined>(
    (oldest, place) => (oldest === undefined || isBehind(place, oldest) ? place : oldest),
    undefined,
  );
}

function isBehind(post: Place, place: Place): boolean {
  return post.at < place.at || (post.at === place.at && post.id < place.id);
}

function placeOf(posts: readonly Candidate[], card: PostCard | undefined): Place | undefined {
  const post = card === undefined ? undefined : posts.find(({ id }) => id === card.post_id);
  return post === undefined ? undefined : { id: post.id, at: post.score };
}
