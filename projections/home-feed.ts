import { definedFeeds, fanOut, type Feeds } from './fan-out.ts';
import { postFeedTypes, workOf } from './fan-out-work.ts';
import { AUDIENCE_MODELS, POSTS } from './feed-definition.ts';
import { differencesOf, fillFrom } from './index-check.ts';
import type { LaneProjection } from './lane-projection.ts';

/** The home feeds, as far as posts are pushed to them. */
export const homeFeeds: Feeds = { kind: POSTS, keys: 'feed' };

/**
 * The posts that each account's home feed is made of, as far as they are pushed: see feed-definition.ts. A post goes to
 * the feeds of its author's followers when it is published; celebrities' posts are pulled from celebrity-posts.ts.
 */
export const homeFeed: LaneProjection = {
  store: 'redis',
  name: 'home-feed',
  version: 1,
  reads: [...AUDIENCE_MODELS, POSTS.projection],
  handles: postFeedTypes,
  apply: (context, lane, events) => fanOut(context, lane, homeFeeds, workOf(lane, events)),
  build: (context, options) => fillFrom(context, definedFeeds(homeFeeds), options),
  differences: (context, options) => differencesOf(context, definedFeeds(homeFeeds), options),
};
