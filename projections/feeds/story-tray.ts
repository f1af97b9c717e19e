import { definedAuthorIndexes, indexAuthors, type AuthorIndexes } from './author-indexes.ts';
import { definedFeeds, fanOut, type Feeds } from './fan-out.ts';
import { storyTrayTypes, workOf } from './fan-out-work.ts';
import { AUDIENCE_MODELS, STORIES } from './feed-definition.ts';
import { followCelebrities, followedCelebrities } from './followed-celebrities.ts';
import { differencesOf, fillFrom } from './index-check.ts';
import type { LaneProjection } from '../lane-projection.ts';

/** The trays, as far as stories are pushed to them. */
export const storyTrays: Feeds = { kind: STORIES, keys: 'story_tray' };
/** The indexes of celebrities' stories. */
export const celebrityStories: AuthorIndexes = { kind: STORIES, keys: 'celebrity_stories' };

const defined = [definedFeeds(storyTrays), followedCelebrities, definedAuthorIndexes(celebrityStories)];

/**
 * The stories in each account's tray, by the same rules as posts in home feeds, and the stories of celebrities, which
 * readers merge in. Who saw a story already is asked of PostgreSQL when the tray is read.
 */
export const storyTray: LaneProjection = {
  store: 'redis',
  name: 'story-tray',
  version: 1,
  reads: [...AUDIENCE_MODELS, STORIES.projection],
  handles: storyTrayTypes,
  fannedOut: [storyTrays.keys],
  apply: async (context, lanes, events) => {
    const work = workOf(lanes, events);
    await followCelebrities(context, lanes, work);
    await fanOut(context, lanes, storyTrays, work);
    await indexAuthors(context, lanes, celebrityStories, work);
  },
  build: async (context, options) => {
    for (const indexes of defined) await fillFrom(context, indexes, options);
  },
  differences: async function* (context, options) {
    for (const indexes of defined) yield* differencesOf(context, indexes, options);
  },
};
