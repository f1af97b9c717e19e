import { z } from 'zod';
import { addComment } from '../../commands/comments/add-comment.ts';
import { deleteComment } from '../../commands/comments/delete-comment.ts';
import type { Log } from '../../commands/handle.ts';
import { refuse } from '../../domain/decider.ts';
import { CommentId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { proseText } from '../../domain/text.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { ContentRefusal } from '../content-problems.ts';
import { commentParams, postParams } from './id-param.ts';

type Deps = { readonly log: Log };

const tags = ['comments'];

/** Comments and replies. */
export function commentRoutes(deps: Deps): Route<ContentRefusal>[] {
  return [addRoute(deps), deleteRoute(deps)];
}

function addRoute({ log }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/posts/{id}/comments',
    summary: 'Comment on a post, or answer a comment',
    tags,
    auth: 'account',
    params: postParams,
    problems: { 403: '`comments_disabled`', 404: '`post_not_found`, `parent_not_found`', 422: '`parent_is_a_reply`' },
    body: z.object({
      text: proseText(LIMITS.comment).trim().min(1, 'must not be blank'),
      parent_comment_id: CommentId.nullish(),
    }),
    responses: {
      201: z.object({
        comment_id: z.string(),
        post_id: z.string(),
        user_id: z.string(),
        parent_comment_id: z.string().nullable(),
        text: z.string(),
        like_count: z.int(),
        reply_count: z.int(),
        created_at: z.iso.datetime(),
      }),
    },
    handler: async ({ account, params: { id: postId }, body, context }) => {
      if (postId === undefined) return refuse('post_not_found');
      const { text, parent_comment_id: parentCommentId = null } = body;
      const added = await addComment(log, context, { accountId: account.id, postId, text, parentCommentId });
      if (!added.ok) return added;
      return {
        status: 201,
        written: added.written,
        body: {
          comment_id: added.commentId,
          post_id: postId,
          user_id: account.id,
          parent_comment_id: parentCommentId,
          text,
          like_count: 0,
          reply_count: 0,
          created_at: context.now.toISOString(),
        },
      };
    },
  });
}

function deleteRoute({ log }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'delete',
    path: '/v1/comments/{id}',
    summary: 'Delete your comment, or one on your post',
    tags,
    auth: 'account',
    params: commentParams,
    problems: { 403: '`comment_not_yours`', 404: '`comment_not_found`' },
    responses: { 204: null },
    handler: async ({ account, params: { id: commentId }, context }) => {
      if (commentId === undefined) return refuse('comment_not_found');
      const deleted = await deleteComment(log, context, { accountId: account.id, commentId });
      return deleted.ok ? { status: 204, written: deleted.written } : deleted;
    },
  });
}
