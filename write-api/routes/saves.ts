import { z } from 'zod';
import type { Log } from '../../commands/handle.ts';
import { savePost, unsavePost } from '../../commands/posts/save-post.ts';
import { refuse } from '../../domain/decider.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { ContentRefusal } from '../content-problems.ts';
import { postParams } from './id-param.ts';

/** The list of saved posts. */
export function saveRoutes(deps: { readonly log: Log }): Route<ContentRefusal>[] {
  return [saveRoute(deps, 'post'), saveRoute(deps, 'delete')];
}

function saveRoute({ log }: { readonly log: Log }, method: 'post' | 'delete'): Route<ContentRefusal> {
  const saved = method === 'post';
  return defineRoute({
    method,
    path: '/v1/posts/{id}/save',
    summary: saved ? 'Put a post on your list of saved ones' : 'Take a post off your list',
    tags: ['saves'],
    auth: 'account',
    params: postParams,
    problems: { 404: '`post_not_found`' },
    responses: { 200: z.object({ saved: z.boolean() }) },
    handler: async ({ account, params: { id: postId }, context }) => {
      if (postId === undefined) return refuse('post_not_found');
      const changed = await (saved ? savePost : unsavePost)(log, context, { accountId: account.id, postId });
      return changed.ok ? { status: 200, written: changed.written, body: { saved } } : changed;
    },
  });
}
