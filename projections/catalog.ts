import type { CodeVersions } from './builds.ts';
import { follows } from './follows.ts';
import { likes } from './likes.ts';
import type { PostgresProjection } from './projection.ts';
import { relationships } from './relationships.ts';
import { saves } from './saves.ts';
import { storyViews } from './story-views.ts';

/** Every read model in PostgreSQL. */
export const postgresProjections: readonly PostgresProjection[] = [follows, relationships, likes, saves, storyViews];

/** The version that this code has of each read model, by name; what readers resolve their builds with. */
export const codeVersions: CodeVersions = new Map(postgresProjections.map(({ name, version }) => [name, version]));
