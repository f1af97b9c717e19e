import { accounts } from './accounts.ts';
import type { CodeVersions } from './builds.ts';
import { celebrityPosts } from './celebrity-posts.ts';
import { comments } from './comments.ts';
import { follows } from './follows.ts';
import { hashtags } from './hashtags.ts';
import { homeFeed } from './home-feed.ts';
import type { LaneProjection } from './lane-projection.ts';
import { likes } from './likes.ts';
import { media } from './media.ts';
import { posts } from './posts.ts';
import type { PostgresProjection } from './projection.ts';
import { relationships } from './relationships.ts';
import { saves } from './saves.ts';
import { stories } from './stories.ts';
import { storyTray } from './story-tray.ts';
import { storyViews } from './story-views.ts';

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
