import { accounts } from './models/accounts.ts';
import type { CodeVersions } from './builds/builds.ts';
import { celebrityPosts } from './feeds/celebrity-posts.ts';
import { comments } from './models/comments.ts';
import { follows } from './models/follows.ts';
import { hashtags } from './models/hashtags.ts';
import { homeFeed } from './feeds/home-feed.ts';
import type { LaneProjection } from './lane-projection.ts';
import { likes } from './models/likes.ts';
import { media } from './models/media.ts';
import { posts } from './models/posts.ts';
import type { PostgresProjection } from './projection.ts';
import { relationships } from './models/relationships.ts';
import { saves } from './models/saves.ts';
import { stories } from './models/stories.ts';
import { storyTray } from './feeds/story-tray.ts';
import { storyViews } from './models/story-views.ts';

/** Every read model in PostgreSQL. */
export const postgresProjections: readonly PostgresProjection[] = [
  accounts,
  follows,
  relationships,
  media,
  posts,
  likes,
  saves,
  comments,
  hashtags,
  stories,
  storyViews,
];

/** Every read model in Redis; each reads some of those in PostgreSQL. */
export const laneProjections: readonly LaneProjection[] = [homeFeed, celebrityPosts, storyTray];

/** All of them, those that others read first. */
export const allProjections: readonly (PostgresProjection | LaneProjection)[] = [
  ...postgresProjections,
  ...laneProjections,
];

/** The version that this code has of each read model, by name; what readers resolve their builds with. */
export const codeVersions: CodeVersions = new Map(allProjections.map(({ name, version }) => [name, version]));

/** The names of the models that have a checkpoint for each lane, for reads that wait for a client's own writes. */
export const lanedModels: ReadonlySet<string> = new Set(laneProjections.map(({ name }) => name));
