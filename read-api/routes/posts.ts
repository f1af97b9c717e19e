import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { PostId } from '../../domain/ids.ts';
import { Position } from '../../domain/position.ts';
import { decodeToken, encodeToken, joinTokens } from '../../infra/event-store/consistency-token.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import { likersOf } from '../../projections/queries/account-lists.ts';
import { isPostVisible } from '../../projections/queries/comment-lists.ts';
import { POST_CARD_MODELS, postCards } from '../../projections/queries/post-cards.ts';
import { progressOfOwnPost, type PostProgress } from '../../projections/queries/post-lists.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { ListedUserBody, PostBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { TimeCursor } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { idParam } from './params.ts';

type Deps = { readonly reader: Reader; readonly present: Presenter };

const tags = ['posts'];
const params = z.object({ id: idParam(PostId) });

/** Single posts. */
export function postRoutes(deps: Deps): Route<ReadRefusal>[] {
  return [postRoute(deps), statusRoute(deps), likesRoute(deps)];
}

function postRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/posts/{id}',
    summary: 'A post',
    tags,
    auth: 'account',
    params,
    problems: { 404: '`post_not_found`' },
    responses: { 200: PostBody },
    handler: async ({ account, params: { id }, tokens }) => {
      const { read, headers } = await reader.open(tokens, POST_CARD_MODELS);
      const [card] = id === undefined ? [] : await postCards(read, account.id, [id]);
      return card === undefined ? refuse('post_not_found') : { status: 200, headers, body: present.post(card) };
    },
  });
}

function statusRoute({ reader }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/posts/{id}/status',
    summary: "Whether your own post is ready; the answer's Consistency-Token covers its publication",
    tags,
    auth: 'account',
    params,
    problems: { 404: '`post_not_found`' },
    responses: {
      200: z.object({
        post_id: z.string(),
        status: z.enum(['processing', 'ready', 'rejected']),
        reason: z.string().optional(),
      }),
    },
    handler: async ({ account, params: { id }, tokens }) => {
      const { read, headers } = await reader.open(tokens, ['posts']);
      const progress = id === undefined ? undefined : await progressOfOwnPost(read, account.id, id);
      if (id === undefined || progress === undefined) return refuse('post_not_found');
      const reason = progress.status === 'rejected' && progress.reason !== null ? { reason: progress.reason } : {};
      return {
        status: 200,
        headers: { ...headers, ...tokenOf(progress, tokens) },
        body: { post_id: id, status: publicStatus(progress.status), ...reason },
      };
    },
  });
}

function publicStatus(status: PostProgress['status']): 'processing' | 'ready' | 'rejected' {
  switch (status) {
    case 'processing':
    case 'rejected':
      return status;
    case 'published':
    case 'archived':
      return 'ready';
    default:
      return status satisfies never;
  }
}

function tokenOf({ author_id, position, store_id }: PostProgress, sent: readonly string[]): Record<string, string> {
  if (position === null) return {};
  const publication = { storeId: store_id, position: Position.parse(position), owners: [author_id] };
  const token = joinTokens([publication, ...sent.flatMap((text) => decodeToken(text) ?? [])]) ?? publication;
  return { 'Consistency-Token': encodeToken(token) };
}

function likesRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/posts/{id}/likes',
    summary: 'Who likes a post, newest first',
    tags,
    auth: 'account',
    params,
    problems: { 400: '`validation_failed`', 404: '`post_not_found`' },
    query: pageQuery(TimeCursor),
    responses: { 200: z.object({ users: z.array(ListedUserBody), pagination: Pagination }) },
    handler: async ({ account, params: { id }, query, tokens }) => {
      const { read, headers } = await reader.open(tokens, [
        'likes',
        'posts',
        'accounts',
        'follows',
        'relationships',
        'media',
      ]);
      if (id === undefined || !(await isPostVisible(read, account.id, id))) return refuse('post_not_found');
      const rows = await likersOf(read, {
        viewer: account.id,
        of: id,
        page: { after: query.cursor, limit: query.limit },
      });
      const { items, pagination } = pageOf(rows, query.limit, (user) => ({
        at: user.at.toISOString(),
        id: user.account_id,
      }));
      return { status: 200, headers, body: { users: items.map(present.listedUser), pagination } };
    },
  });
}
