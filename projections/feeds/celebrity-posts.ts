import { definedAuthorIndexes, indexAuthors, type AuthorIndexes } from './author-indexes.ts';
import { workOf } from './fan-out-work.ts';
import { POSTS } from './feed-definition.ts';
import { differencesOf, fillFrom } from './index-check.ts';
import type { LaneProjection } from '../lane-projection.ts';

/** The indexes of celebrities' posts. */
export const celebrityIndexes: AuthorIndexes = { kind: POSTS, keys: 'celebrity_posts' };

/**
 * The newest posts of each celebrity, which readers merge into the home feed instead of having them pushed to millions.
 */
export const celebrityPosts: LaneProjection = {
  store: 'redis',
  name: 'celebrity-posts',
  version: 1,
  reads: ['accounts', POSTS.projection],
  handles: [
    'PostPublished',
    'PostArchived',
    'PostUnarchived',
    'PostDeleted',
    'CelebrityStatusGranted',
    'CelebrityStatusRevoked',
    'AccountErased',
  ],
  fannedOut: [],
  apply: (context, lanes, events) => indexAuthors(context, lanes, celebrityIndexes, workOf(lanes, events)),
  build: (context, options) => fillFrom(context, definedAuthorIndexes(celebrityIndexes), options),
  differences: (context, options) => differencesOf(context, definedAuthorIndexes(celebrityIndexes), options),
};
