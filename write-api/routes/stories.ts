import { z } from 'zod';
import { deleteStory } from '../../commands/stories/delete-story.ts';
import type { Log } from '../../commands/handle.ts';
import { postStory } from '../../commands/stories/post-story.ts';
import { viewStory } from '../../commands/stories/view-story.ts';
import { refuse } from '../../domain/decider.ts';
import { MediaId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { showingFrom, StoryAudience } from '../../domain/story.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { ContentRefusal } from '../content-problems.ts';
import type { OwnCounts } from '../own-counts.ts';
import { storyParams } from './id-param.ts';

type Deps = { readonly log: Log; readonly counts: OwnCounts };

const tags = ['stories'];

/** Stories: putting up, taking down, viewing. */
export function storyRoutes(deps: Deps): Route<ContentRefusal>[] {
  return [postRoute(deps), deleteRoute(deps), viewRoute(deps)];
}

function postRoute({ log }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/stories',
    summary: 'Put up a story of one of your uploads',
    tags,
    auth: 'account',
    description:
      'Its 24 hours begin when the medium is ready; until then `expires_at` tells when it would end if it were ready now.',
    problems: { 404: '`media_not_found`', 409: '`media_not_uploaded`', 422: '`media_rejected`' },
    body: z.object({
      media_id: MediaId,
      duration: z
        .number()
        .positive()
        .max(LIMITS.storyDurationMs.max / 1_000)
        .optional()
        .meta({ description: 'Seconds; 5 by default' }),
      audience: StoryAudience.optional(),
    }),
    responses: {
      201: z.object({
        story_id: z.string(),
        status: z.enum(['processing', 'ready']),
        audience: StoryAudience,
        expires_at: z.iso.datetime(),
        created_at: z.iso.datetime(),
      }),
    },
    handler: async ({ account, body, context }) => {
      const audience = body.audience ?? 'all';
      const durationMs = body.duration === undefined ? null : Math.max(1, Math.round(body.duration * 1_000));
      const posted = await postStory(log, context, {
        authorId: account.id,
        mediaId: body.media_id,
        durationMs,
        audience,
      });
      if (!posted.ok) return posted;
      const { storyId, state, written } = posted;
      const isReady = state.status === 'published';
      const { expiresAt } = isReady ? state : showingFrom(context.now.getTime());
      return {
        status: 201,
        written,
        body: {
          story_id: storyId,
          status: isReady ? ('ready' as const) : ('processing' as const),
          audience,
          expires_at: expiresAt,
          created_at: context.now.toISOString(),
        },
      };
    },
  });
}

function deleteRoute({ log }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'delete',
    path: '/v1/stories/{id}',
    summary: 'Take your story down',
    tags,
    auth: 'account',
    params: storyParams,
    problems: { 403: '`story_not_yours`', 404: '`story_not_found`' },
    responses: { 204: null },
    handler: async ({ account, params: { id: storyId }, context }) => {
      if (storyId === undefined) return refuse('story_not_found');
      const deleted = await deleteStory(log, context, { accountId: account.id, storyId });
      return deleted.ok ? { status: 204, written: deleted.written } : deleted;
    },
  });
}

function viewRoute({ log, counts }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/stories/{id}/view',
    summary: 'Say that you saw a story',
    tags,
    auth: 'account',
    params: storyParams,
    problems: { 404: '`story_not_found`' },
    responses: {
      200: z.object({
        view_count: z.int().nullable().meta({ description: 'null when it cannot be told at this moment' }),
      }),
    },
    handler: async ({ account, params: { id: storyId }, context }) => {
      if (storyId === undefined) return refuse('story_not_found');
      const viewed = await viewStory(log, context, { accountId: account.id, storyId });
      if (!viewed.ok) return viewed;
      return {
        status: 200,
        written: viewed.written,
        body: { view_count: await counts.storyViews(account.id, storyId, viewed.written) },
      };
    },
  });
}
