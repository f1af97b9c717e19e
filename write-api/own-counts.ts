import type { AccountId, CommentId, PostId, StoryId } from '../domain/ids.ts';
import { START_OF_LOG } from '../domain/position.ts';
import type { Written } from '../commands/handle.ts';
import type { ConsistencyToken } from '../infra/event-store/consistency-token.ts';
import type { Sql } from '../infra/postgres.ts';
import type { BuildResolver } from '../projections/builds/builds.ts';
import { commentLikeCount } from '../projections/models/comments.ts';
import type { Freshness } from '../projections/builds/consistency.ts';
import { likeCount } from '../projections/models/likes.ts';
import { profileCounts, type ProfileCounts } from '../projections/queries/profiles.ts';
import type { ReadContext } from '../projections/projection.ts';
import { storyViewCount } from '../projections/models/story-views.ts';

/**
 * Counts for the answer to a viewer's write, with the write itself in them: each waits a moment for its model. null
 * when the count cannot be told now, since the write has succeeded all the same.
 */
export type OwnCounts = {
  likes(viewer: AccountId, postId: PostId, written: Written | undefined): Promise<number | null>;
  commentLikes(viewer: AccountId, commentId: CommentId, written: Written | undefined): Promise<number | null>;
  storyViews(viewer: AccountId, storyId: StoryId, written: Written | undefined): Promise<number | null>;
  /** What stands on a profile at this moment: editing it changes none of it, so nothing is waited for. */
  profile(accountId: AccountId): Promise<ProfileCounts | null>;
};

const WAIT_MS = 1_000;

/** Reads counts from the models of one server; `storeId` is the log that is written to. */
export function createOwnCounts(deps: {
  sql: Sql;
  builds: BuildResolver;
  freshness: Freshness;
  storeId: string;
}): OwnCounts {
  const countIn = async <T>(
    models: readonly string[],
    written: Written | undefined,
    query: (read: ReadContext) => Promise<T>,
  ): Promise<T | null> => {
    try {
      const builds = await deps.builds.resolve();
      if (
        (await deps.freshness.waitUntilPassed(builds, tokenOf(deps.storeId, written), models, WAIT_MS)) === 'other_log'
      )
        return null;
      return await query({ sql: deps.sql, builds });
    } catch {
      return null;
    }
  };
  const count = (model: string, written: Written | undefined, query: (read: ReadContext) => Promise<number>) =>
    countIn([model], written, query);
  return {
    profile: (accountId) => countIn(['follows', 'posts'], undefined, (read) => profileCounts(read, accountId)),
    likes: (viewer, postId, written) => count('likes', written, (read) => likeCount(read, viewer, postId)),
    commentLikes: (viewer, commentId, written) =>
      count('comments', written, (read) => commentLikeCount(read, viewer, commentId)),
    storyViews: (viewer, storyId, written) =>
      count('story-views', written, (read) => storyViewCount(read, viewer, storyId)),
  };
}

// Where nothing was written the models still have to be those of this log.
function tokenOf(
  storeId: string,
  { position, owners }: Pick<Written, 'position' | 'owners'> = { position: START_OF_LOG, owners: [] },
): ConsistencyToken {
  return { storeId, position, owners };
}
