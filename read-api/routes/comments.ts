import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { CommentId, PostId } from '../../domain/ids.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import {
  COMMENT_MODELS,
  commentsOn,
  isCommentVisible,
  isPostVisible,
  repliesTo,
  type CommentCard,
} from '../../projections/queries/comment-lists.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { CommentBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { TimeCursor } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { idParam } from './params.ts';

type Deps = { readonly reader: Reader; readonly present: Presenter };

const placeOf = (comment: CommentCard) => ({ at: comment.created_at.toISOString(), id: comment.comment_id });

/** Comments on posts, and replies to comments. */
export function commentRoutes({ reader, present }: Deps): Route<ReadRefusal>[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/posts/{id}/comments',
      summary: 'The comments on a post, newest first',
      tags: ['comments'],
      auth: 'account',
      params: z.object({ id: idParam(PostId) }),
      problems: { 400: '`validation_failed`', 404: '`post_not_found`' },
      query: pageQuery(TimeCursor),
      responses: { 200: z.object({ comments: z.array(CommentBody), pagination: Pagination }) },
      handler: async ({ account, params: { id }, query, tokens }) => {
        const { read, headers } = await reader.open(tokens, COMMENT_MODELS);
        if (id === undefined || !(await isPostVisible(read, account.id, id))) return refuse('post_not_found');
        const { items, pagination } = pageOf(
          await commentsOn(read, { viewer: account.id, of: id, page: { after: query.cursor, limit: query.limit } }),
          query.limit,
          placeOf,
        );
        return { status: 200, headers, body: { comments: items.map(present.comment), pagination } };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/comments/{id}/replies',
      summary: 'The replies to a comment, oldest first',
      tags: ['comments'],
      auth: 'account',
      params: z.object({ id: idParam(CommentId) }),
      problems: { 400: '`validation_failed`', 404: '`comment_not_found`' },
      query: pageQuery(TimeCursor),
      responses: { 200: z.object({ replies: z.array(CommentBody), pagination: Pagination }) },
      handler: async ({ account, params: { id }, query, tokens }) => {
        const { read, headers } = await reader.open(tokens, COMMENT_MODELS);
        if (id === undefined || !(await isCommentVisible(read, account.id, id))) return refuse('comment_not_found');
        const { items, pagination } = pageOf(
          await repliesTo(read, { viewer: account.id, of: id, page: { after: query.cursor, limit: query.limit } }),
          query.limit,
          placeOf,
        );
        return { status: 200, headers, body: { replies: items.map(present.comment), pagination } };
      },
    }),
  ];
}
