import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { StoryId } from '../../domain/ids.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import { viewersOf } from '../../projections/queries/account-lists.ts';
import { viewsOfOwnStory } from '../../projections/queries/story-cards.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { ListedUserBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { TimeCursor } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { idParam } from './params.ts';

/** Who saw one's own stories. */
export function storyRoutes({
  reader,
  present,
}: {
  readonly reader: Reader;
  readonly present: Presenter;
}): Route<ReadRefusal>[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/stories/{id}/viewers',
      summary: 'Who saw your own story, newest view first',
      tags: ['stories'],
      auth: 'account',
      params: z.object({ id: idParam(StoryId) }),
      problems: { 400: '`validation_failed`', 404: "`story_not_found`, also for somebody else's" },
      query: pageQuery(TimeCursor),
      responses: {
        200: z.object({
          viewers: z.array(z.object({ user: ListedUserBody, viewed_at: z.iso.datetime() })),
          view_count: z.int(),
          pagination: Pagination,
        }),
      },
      handler: async ({ account, params: { id }, query, tokens }) => {
        const { read, headers } = await reader.open(tokens, [
          'stories',
          'story-views',
          'accounts',
          'follows',
          'relationships',
          'media',
        ]);
        const views = id === undefined ? undefined : await viewsOfOwnStory(read, account.id, id);
        if (id === undefined || views === undefined) return refuse('story_not_found');
        const rows = await viewersOf(read, {
          viewer: account.id,
          of: id,
          page: { after: query.cursor, limit: query.limit },
        });
        const { items, pagination } = pageOf(rows, query.limit, (user) => ({
          at: user.at.toISOString(),
          id: user.account_id,
        }));
        return {
          status: 200,
          headers,
          body: {
            viewers: items.map((user) => ({ user: present.listedUser(user), viewed_at: user.at.toISOString() })),
            view_count: views,
            pagination,
          },
        };
      },
    }),
  ];
}
