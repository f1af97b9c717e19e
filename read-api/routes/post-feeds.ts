import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { normaliseHashtag } from '../../domain/hashtag.ts';
import type { AccountId } from '../../domain/ids.ts';
import { defineRoute, type Route, type RequestContext } from '../../infra/http/route.ts';
import { POST_CARD_MODELS, postCards } from '../../projections/queries/post-cards.ts';
import {
  postsAtLocation,
  postsByAuthor,
  postsSavedBy,
  postsWithHashtag,
  type ListedPost,
} from '../../projections/queries/post-lists.ts';
import type { Page, TimePlace } from '../../projections/queries/page.ts';
import { visibleAccount } from '../../projections/queries/profiles.ts';
import type { ReadContext } from '../../projections/projection.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { PostBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { TimeCursor } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { usernameParams } from './params.ts';

type Deps = { readonly reader: Reader; readonly present: Presenter };

const PostPage = z.object({ posts: z.array(PostBody), pagination: Pagination });
const FeedPage = PostPage.extend({
  feed_session_id: z.string().meta({ description: 'The same on all pages that one first page began' }),
});
const FeedCursor = TimeCursor.extend({ session: z.uuid() });

type FeedQuery = { readonly cursor?: z.output<typeof FeedCursor> | undefined; readonly limit: number };
type Viewing = {
  readonly read: ReadContext;
  readonly viewer: AccountId;
  readonly query: FeedQuery;
  readonly context: RequestContext;
};

// These lists come from PostgreSQL whenever they are asked for: nothing is cached, nothing can be degraded.
const FEED_HEADERS = { 'X-Feed-Quality': 'normal', 'X-Cache-Status': 'miss' };

/** Lists of posts that are ordered by time alone. */
export function postFeedRoutes(deps: Deps): Route<ReadRefusal>[] {
  return [userFeedRoute(deps), hashtagFeedRoute(deps), locationFeedRoute(deps), savedRoute(deps)];
}

function userFeedRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/feed/user/{username}',
    summary: 'The posts of an account, newest first',
    tags: ['feeds'],
    auth: 'account',
    params: usernameParams,
    query: pageQuery(FeedCursor),
    problems: {
      400: '`validation_failed`',
      404: '`user_not_found`, also for a private account that you do not follow',
    },
    responses: { 200: FeedPage },
    handler: async ({ account, params, query, tokens, context }) => {
      const { read, headers } = await reader.open(tokens, POST_CARD_MODELS);
      const author = await visibleAccount(read, account.id, params.username);
      if (author === undefined) return refuse('user_not_found');
      const body = await feedPage(present, { read, viewer: account.id, query, context }, (page) =>
        postsByAuthor(read, { viewer: account.id, of: author.account_id, page }),
      );
      return { status: 200, headers: { ...headers, ...FEED_HEADERS }, body };
    },
  });
}

function hashtagFeedRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/feed/hashtag/{tag}',
    summary: 'The posts with a hashtag, newest first',
    tags: ['feeds'],
    auth: 'account',
    params: z.object({ tag: z.string().max(200).transform(normaliseHashtag) }),
    query: pageQuery(FeedCursor),
    problems: { 400: '`validation_failed`' },
    responses: { 200: FeedPage },
    handler: async ({ account, params, query, tokens, context }) => {
      const { read, headers } = await reader.open(tokens, [...POST_CARD_MODELS, 'hashtags']);
      const body = await feedPage(present, { read, viewer: account.id, query, context }, (page) =>
        postsWithHashtag(read, { viewer: account.id, of: params.tag, page }),
      );
      return { status: 200, headers: { ...headers, ...FEED_HEADERS }, body };
    },
  });
}

function locationFeedRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/feed/location/{id}',
    summary: 'The posts at a place, newest first',
    tags: ['feeds'],
    auth: 'account',
    params: z.object({ id: z.string().max(200) }),
    query: pageQuery(FeedCursor),
    problems: { 400: '`validation_failed`' },
    responses: { 200: FeedPage },
    handler: async ({ account, params, query, tokens, context }) => {
      const { read, headers } = await reader.open(tokens, POST_CARD_MODELS);
      const body = await feedPage(present, { read, viewer: account.id, query, context }, (page) =>
        postsAtLocation(read, { viewer: account.id, of: params.id, page }),
      );
      return { status: 200, headers: { ...headers, ...FEED_HEADERS }, body };
    },
  });
}

function savedRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/saved',
    summary: 'The posts that you saved, newest save first',
    tags: ['posts'],
    auth: 'account',
    query: pageQuery(TimeCursor),
    problems: { 400: '`validation_failed`' },
    responses: { 200: PostPage },
    handler: async ({ account, query, tokens }) => {
      const { read, headers } = await reader.open(tokens, POST_CARD_MODELS);
      const rows = await postsSavedBy(read, {
        viewer: account.id,
        of: account.id,
        page: { after: query.cursor, limit: query.limit },
      });
      const { items, pagination } = pageOf(rows, query.limit, placeOf);
      const cards = await postCards(
        read,
        account.id,
        items.map(({ post_id }) => post_id),
      );
      return { status: 200, headers, body: { posts: cards.map(present.post), pagination } };
    },
  });
}

const placeOf = ({ at, post_id }: ListedPost): TimePlace => ({ at: at.toISOString(), id: post_id });

async function feedPage(
  present: Presenter,
  { read, viewer, query }: Viewing,
  list: (page: Page<TimePlace>) => Promise<ListedPost[]>,
): Promise<z.input<typeof FeedPage>> {
  const session = query.cursor?.session ?? randomUUID();
  const rows = await list({ after: query.cursor, limit: query.limit });
  const { items, pagination } = pageOf(rows, query.limit, (row) => ({ ...placeOf(row), session }));
  const cards = await postCards(
    read,
    viewer,
    items.map(({ post_id }) => post_id),
  );
  return { posts: cards.map(present.post), pagination, feed_session_id: session };
}
