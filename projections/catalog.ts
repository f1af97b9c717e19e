import { accounts } from './accounts.ts';
import type { CodeVersions } from './builds.ts';
import { comments } from './comments.ts';
import { follows } from './follows.ts';
import { hashtags } from './hashtags.ts';
import { likes } from './likes.ts';
import { media } from './media.ts';
import { posts } from './posts.ts';
import type { PostgresProjection } from './projection.ts';
import { relationships } from './relationships.ts';
import { saves } from './saves.ts';
import { stories } from './stories.ts';
import { storyViews } from './story-views.ts';

/** Every read model in PostgreSQL. */
export const postgresProjections: readonly PostgresProjection[] = [
  accounts, follows, relationships, media, posts, likes, saves, comments, hashtags, stories, storyViews,
];

/** The version that this code has of each read model, by name; what readers resolve their builds with. */
export const codeVersions: CodeVersions = new Map(postgresProjections.map(({ name, version }) => [name, version]));
