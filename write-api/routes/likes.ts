import { z } from 'zod';
import type { Log } from '../../commands/handle.ts';
import { likeComment, unlikeComment } from '../../commands/comments/like-comment.ts';
import { likePost, unlikePost } from '../../commands/posts/like-post.ts';
import { refuse } from '../../domain/decider.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { ContentRefusal } from '../content-problems.ts';
import type { OwnCounts } from '../own-counts.ts';
import { commentParams, postParams } from './id-param.ts';

type Deps = { readonly log: Log; readonly counts: OwnCounts };

const tags = ['likes'];
const Liked = z.object({
  liked: z.boolean(),
  like_count: z
    .int()
    .nullable()
    .meta({ description: 'With your own like in it; null when it cannot be told at this moment' }),
});

/** Likes of posts and of comments. */
export function likeRoutes(deps: Deps): Route<ContentRefusal>[] {
  return [
    postLikeRoute(deps, 'post'),
    postLikeRoute(deps, 'delete'),
    commentLikeRoute(deps, 'post'),
    commentLikeRoute(deps, 'delete'),
  ];
}

function postLikeRoute({ log, counts }: Deps, method: 'post' | 'delete'): Route<ContentRefusal> {
  const liked = method === 'post';
  return defineRoute({
    method,
    path: '/v1/posts/{id}/like',
    summary: liked ? 'Like a post' : 'Take your like of a post back',
    tags,
    auth: 'account',
    limits: ['likes'],
    params: postParams,
    problems: { 404: '`post_not_found`' },
    responses: { 200: Liked },
    handler: async ({ account, params: { id: postId }, context }) => {
      if (postId === undefined) return refuse('post_not_found');
      const changed = await (liked ? likePost : unlikePost)(log, context, { accountId: account.id, postId });
      if (!changed.ok) return changed;
      return {
        status: 200,
        written: changed.written,
        body: { liked, like_count: await counts.likes(account.id, postId, changed.written) },
      };
    },
  });
}

function commentLikeRoute({ log, counts }: Deps, method: 'post' | 'delete'): Route<ContentRefusal> {
  const liked = method === 'post';
  return defineRoute({
    method,
    path: '/v1/comments/{id}/like',
    summary: liked ? 'Like a comment' : 'Take your like of a comment back',
    tags,
    auth: 'account',
    limits: ['likes'],
    params: commentParams,
    problems: { 404: '`comment_not_found`' },
    responses: { 200: Liked },
    handler: async ({ account, params: { id: commentId }, context }) => {
      if (commentId === undefined) return refuse('comment_not_found');
      const changed = await (liked ? likeComment : unlikeComment)(log, context, { accountId: account.id, commentId });
      if (!changed.ok) return changed;
      return {
        status: 200,
        written: changed.written,
        body: { liked, like_count: await counts.commentLikes(account.id, commentId, changed.written) },
      };
    },
  });
}
