import { definedFeeds, fanOut, type Feeds } from './fan-out.ts';
import { postFeedTypes, workOf } from './fan-out-work.ts';
import { AUDIENCE_MODELS, POSTS } from './feed-definition.ts';
import { followCelebrities, followedCelebrities } from './followed-celebrities.ts';
import { differencesOf, fillFrom } from './index-check.ts';
import type { LaneProjection } from '../lane-projection.ts';

/** The home feeds, as far as posts are pushed to them. */
export const homeFeeds: Feeds = { kind: POSTS, keys: 'feed' };

const defined = [definedFeeds(homeFeeds), followedCelebrities];

/**
 * The posts that each account's home feed is made of, as far as they are pushed: see feed-definition.ts. A post goes to
 * the feeds of its author's followers when it is published; celebrities' posts are pulled from celebrity-posts.ts, and
 * beside each feed stands whose are. A reader gets both in one step, and a new celebrity is noted before its posts
 * leave the feed: no reader finds them in neither.
 */
export const homeFeed: LaneProjection = {
  store: 'redis',
  name: 'home-feed',
  version: 1,
  reads: [...AUDIENCE_MODELS, POSTS.projection],
  handles: postFeedTypes,
  fannedOut: [homeFeeds.keys],
  apply: async (context, lanes, events) => {
    const work = workOf(lanes, events);
    await followCelebrities(context, lanes, work);
    await fanOut(context, lanes, homeFeeds, work);
  },
  build: async (context, options) => {
    for (const indexes of defined) await fillFrom(context, indexes, options);
  },
  differences: async function* (context, options) {
    for (const indexes of defined) yield* differencesOf(context, indexes, options);
  },
};
