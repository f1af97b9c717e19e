import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { defineRoute, type Route, type RouteRequest } from '../../infra/http/route.ts';
import { JsonText } from '../../infra/http/json-text.ts';
import type { Saturation } from '../../infra/process/saturation.ts';
import { celebrityPosts } from '../../projections/feeds/celebrity-posts.ts';
import { homeFeed } from '../../projections/feeds/home-feed.ts';
import { POST_CARD_MODELS } from '../../projections/queries/post-cards.ts';
import type { ReadContext } from '../../projections/projection.ts';
import { FeedCursor } from '../feed/page/cursor.ts';
import {
  explorePage,
  latestHomePage,
  rankedHomePage,
  type FeedDeps,
  type FeedPage,
  type FeedRequest,
} from '../feed/page/home-page.ts';
import { pageQuery, Pagination } from '../paging.ts';
import { PostBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { encode } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';

export type FeedRouteDeps = FeedDeps & {
  readonly reader: Reader;
  readonly present: Presenter;
  /** The server that the models are written on: feeds are computed there. */
  readonly primary: ReadContext['sql'];
  readonly saturation: Pick<Saturation, 'now'>;
  readonly now: () => Date;
};

/** From here on a process saves what it can do without; from the second on it answers with what it remembers. */
const SATURATED = 0.8;
const OVERLOADED = 0.95;

const Body = z.object({
  posts: z.array(PostBody),
  pagination: Pagination,
  feed_session_id: z.string().meta({ description: 'The same on all pages that one first page began' }),
});
const HomeQuery = pageQuery(FeedCursor).extend({
  order: z
    .enum(['ranked', 'latest'])
    .default('ranked')
    .meta({ description: 'ranked: best first, with recommendations; latest: newest first, only who you follow' }),
});
const ExploreQuery = pageQuery(FeedCursor);

/** The home feed and the posts of strangers. */
export function feedRoutes(deps: FeedRouteDeps): Route<ReadRefusal>[] {
  return [homeRoute(deps, '/v1/feed'), homeRoute(deps, '/v1/feed/home'), exploreRoute(deps)];
}

function homeRoute(deps: FeedRouteDeps, path: string): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path,
    summary: 'Your home feed: the posts of those you follow',
    tags: ['feeds'],
    auth: 'account',
    query: HomeQuery,
    responses: { 200: Body },
    handler: async (request) => {
      const { feed, headers } = await open(deps, request, [...POST_CARD_MODELS, homeFeed.name, celebrityPosts.name]);
      const page = await (request.query.order === 'latest' ? latestHomePage : rankedHomePage)(deps, feed);
      return { status: 200, headers: { ...headers, ...headersOf(page) }, body: bodyOf(deps.present, page) };
    },
  });
}

function exploreRoute(deps: FeedRouteDeps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/feed/explore',
    summary: 'Popular posts of accounts that you do not follow',
    tags: ['feeds'],
    auth: 'account',
    query: ExploreQuery,
    responses: { 200: Body },
    handler: async (request) => {
      if (deps.saturation.now() > SATURATED) return refuse('explore_unavailable');
      const { feed, headers } = await open(deps, request, POST_CARD_MODELS);
      const page = await explorePage(deps, feed);
      return { status: 200, headers: { ...headers, ...headersOf(page) }, body: bodyOf(deps.present, page) };
    },
  });
}

type Asked = Pick<
  RouteRequest<unknown, z.output<typeof ExploreQuery>, unknown, 'account'>,
  'account' | 'query' | 'tokens'
>;

async function open(
  deps: FeedRouteDeps,
  { account, query, tokens }: Asked,
  models: readonly string[],
): Promise<{ feed: FeedRequest; headers: Readonly<Record<string, string>> }> {
  const { read, headers } = await deps.reader.open(tokens, models);
  const primary = { sql: deps.primary, builds: read.builds };
  const saturation = deps.saturation.now();
  const load = { mix: saturation <= SATURATED, overloaded: saturation > OVERLOADED };
  return {
    feed: {
      read,
      primary,
      viewer: account.id,
      now: deps.now(),
      limit: query.limit,
      cursor: query.cursor,
      fresh: tokens.length > 0,
      ...load,
    },
    headers,
  };
}

function headersOf({ quality, from }: FeedPage): Record<string, string> {
  return { 'X-Feed-Quality': quality, 'X-Cache-Status': from };
}

function bodyOf(present: Presenter, { cards, next, session }: FeedPage): JsonText<z.input<typeof Body>> {
  const rest: Omit<z.input<typeof Body>, 'posts'> = {
    pagination: { next_cursor: next === undefined ? null : encode(next), has_more: next !== undefined },
    feed_session_id: session,
  };
  return new JsonText(
    `{"posts":[${cards.map((card) => present.postText(card).text).join(',')}],${JSON.stringify(rest).slice(1)}`,
  );
}
