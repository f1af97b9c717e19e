import { z } from 'zod';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { ReadContext } from '../../projections/projection.ts';
import { STORY_CARD_MODELS } from '../../projections/queries/story-cards.ts';
import { storyTray } from '../../projections/feeds/story-tray.ts';
import { trayPage, TrayPlace, type TrayDeps, type TrayItem } from '../feed/page/tray-page.ts';
import { pageQuery, Pagination } from '../paging.ts';
import { StoryBody, UserBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { encode } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';

export type TrayRouteDeps = TrayDeps & {
  readonly reader: Reader;
  readonly present: Presenter;
  readonly primary: ReadContext['sql'];
  readonly now: () => Date;
};

const Tray = z.object({
  stories: z.array(z.object({ user: UserBody, items: z.array(StoryBody), unviewed_count: z.int() })),
  pagination: Pagination,
});

/** The stories of those that one follows. */
export function trayRoutes(deps: TrayRouteDeps): Route<ReadRefusal>[] {
  const { reader, present, primary, now } = deps;
  return [
    defineRoute({
      method: 'get',
      path: '/v1/stories/feed',
      summary: 'The stories of those you follow, by author: unseen first, then newest',
      tags: ['stories'],
      auth: 'account',
      query: pageQuery(TrayPlace),
      responses: { 200: Tray },
      handler: async ({ account, query, tokens }) => {
        const { read, headers } = await reader.open(tokens, [...STORY_CARD_MODELS, storyTray.name]);
        const page = await trayPage(deps, {
          read,
          primary: { sql: primary, builds: read.builds },
          viewer: account.id,
          now: now(),
          limit: query.limit,
          after: query.cursor,
          fresh: tokens.length > 0,
        });
        const last = page.more ? page.items.at(-1)?.place : undefined;
        const stories = page.items.flatMap((item) => itemBody(present, item, account.id));
        return {
          status: 200,
          headers: { ...headers, 'X-Feed-Quality': 'normal', 'X-Cache-Status': page.from },
          body: {
            stories,
            pagination: { next_cursor: last === undefined ? null : encode(last), has_more: last !== undefined },
          },
        };
      },
    }),
  ];
}

function itemBody(present: Presenter, { stories }: TrayItem, viewer: string): z.input<typeof Tray>['stories'] {
  const [first] = stories;
  if (first === undefined) return [];
  return [
    {
      user: present.user(first.author),
      items: stories.map((story) => present.story(story, viewer)),
      unviewed_count: stories.filter(({ is_viewed }) => !is_viewed).length,
    },
  ];
}
