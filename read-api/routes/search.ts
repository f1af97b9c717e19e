import { z } from 'zod';
import { soughtText } from '../../domain/text.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import { trendingHashtags } from '../../projections/queries/discovery.ts';
import { searchHashtags, searchLocations, searchUsers } from '../../projections/queries/searches.ts';
import { CursorCount, CursorRank, CursorScore, CursorText, CursorTime } from '../cursor.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { ListedUserBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';

type Deps = { readonly reader: Reader; readonly present: Presenter };

const tags = ['search'];
const RankCursor = z.object({ rank: CursorRank, weight: CursorCount, id: CursorText });
const TrendCursor = z.object({ score: CursorScore, tag: CursorText, as_of: CursorTime });
const Text = soughtText(100);

const UserResults = z.object({ users: z.array(ListedUserBody), pagination: Pagination });
const HashtagBody = z.object({ tag: z.string(), post_count: z.int() });
const LocationBody = z.object({
  id: z.string(),
  name: z.string(),
  lat: z.number(),
  lng: z.number(),
  post_count: z.int(),
});
const HashtagResults = z.object({ hashtags: z.array(HashtagBody), pagination: Pagination });
const LocationResults = z.object({ locations: z.array(LocationBody), pagination: Pagination });

/** Searches, and what is talked about now. */
export function searchRoutes(deps: Deps): Route<ReadRefusal>[] {
  return [userSearchRoute(deps), searchRoute(deps), trendingRoute(deps)];
}

type Asked = {
  readonly viewer: Parameters<typeof searchUsers>[1]['viewer'];
  readonly text: string;
  readonly tokens: readonly string[];
  readonly query: { cursor?: z.output<typeof RankCursor> | undefined; limit: number };
};

function userSearchRoute(deps: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/users/search',
    summary: 'Accounts by username or full name',
    tags,
    auth: 'account',
    query: pageQuery(RankCursor).extend({ q: Text }),
    problems: { 400: '`validation_failed`' },
    responses: { 200: UserResults },
    handler: async ({ account, query, tokens }) => ({
      status: 200,
      ...(await findUsers(deps, { viewer: account.id, text: query.q, tokens, query })),
    }),
  });
}

function searchRoute(deps: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/search',
    summary: 'Accounts, hashtags or places',
    tags,
    auth: 'account',
    query: pageQuery(RankCursor).extend({ q: Text, type: z.enum(['users', 'hashtags', 'locations']).default('users') }),
    problems: { 400: '`validation_failed`' },
    responses: { 200: z.union([UserResults, HashtagResults, LocationResults]) },
    handler: async ({ account, query, tokens }) => {
      const asked: Asked = { viewer: account.id, text: query.q, tokens, query };
      switch (query.type) {
        case 'users':
          return { status: 200, ...(await findUsers(deps, asked)) };
        case 'hashtags':
          return { status: 200, ...(await findHashtags(deps, asked)) };
        case 'locations':
          return { status: 200, ...(await findLocations(deps, asked)) };
        default:
          return query.type satisfies never;
      }
    },
  });
}

async function findUsers({ reader, present }: Deps, { viewer, text, tokens, query: { cursor, limit } }: Asked) {
  const { read, headers } = await reader.open(tokens, ['accounts', 'follows', 'relationships', 'media']);
  const rows = await searchUsers(read, { viewer, text, page: { after: cursor, limit } });
  const { items, pagination } = pageOf(rows, limit, (user) => ({
    rank: user.rank,
    weight: Number(user.weight),
    id: user.account_id,
  }));
  return { headers, body: { users: items.map(present.listedUser), pagination } };
}

async function findHashtags({ reader }: Deps, { text, tokens, query: { cursor, limit } }: Asked) {
  const { read, headers } = await reader.open(tokens, ['hashtags', 'accounts']);
  const rows = await searchHashtags(read, { text, page: { after: cursor, limit } });
  const { items, pagination } = pageOf(rows, limit, (found) => ({
    rank: found.rank,
    weight: Number(found.weight),
    id: found.tag,
  }));
  return {
    headers,
    body: { hashtags: items.map(({ tag, posts }) => ({ tag, post_count: Number(posts) })), pagination },
  };
}

async function findLocations({ reader }: Deps, { viewer, text, tokens, query: { cursor, limit } }: Asked) {
  const { read, headers } = await reader.open(tokens, ['posts', 'accounts', 'follows', 'relationships']);
  const rows = await searchLocations(read, { viewer, text, page: { after: cursor, limit } });
  const { items, pagination } = pageOf(rows, limit, (found) => ({
    rank: found.rank,
    weight: Number(found.weight),
    id: found.location_id,
  }));
  return {
    headers,
    body: {
      locations: items.map(({ location_id, name, lat, lng, posts }) => ({
        id: location_id,
        name,
        lat,
        lng,
        post_count: Number(posts),
      })),
      pagination,
    },
  };
}

function trendingRoute({ reader }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/hashtags/trending',
    summary: 'Hashtags of the last seven days, the most talked about first',
    tags,
    auth: 'account',
    query: pageQuery(TrendCursor),
    problems: { 400: '`validation_failed`' },
    responses: {
      200: z.object({ hashtags: z.array(HashtagBody.extend({ recent_post_count: z.int() })), pagination: Pagination }),
    },
    handler: async ({ query, tokens, context }) => {
      const { read, headers } = await reader.open(tokens, ['hashtags', 'accounts']);
      const asOf = query.cursor === undefined ? context.now : new Date(query.cursor.as_of);
      const rows = await trendingHashtags(read, asOf, { after: query.cursor, limit: query.limit });
      const { items, pagination } = pageOf(rows, query.limit, ({ score, tag }) => ({
        score,
        tag,
        as_of: asOf.toISOString(),
      }));
      return {
        status: 200,
        headers,
        body: {
          hashtags: items.map((found) => ({
            tag: found.tag,
            post_count: Number(found.posts),
            recent_post_count: Number(found.recent_posts),
          })),
          pagination,
        },
      };
    },
  });
}
