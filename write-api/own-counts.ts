import type { AccountId, CommentId, PostId, StoryId } from '../domain/ids.ts';
import type { Written } from '../commands/handle.ts';
import type { ConsistencyToken } from '../infra/event-store/consistency-token.ts';
import type { Sql } from '../infra/postgres.ts';
import type { BuildResolver } from '../projections/builds/builds.ts';
import { commentLikeCount } from '../projections/models/comments.ts';
import type { Freshness } from '../projections/builds/consistency.ts';
import { likeCount } from '../projections/models/likes.ts';
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
};

const WAIT_MS = 1_000;

/** Reads counts from the models of one server; `storeId` is the log that is written to. */
export function createOwnCounts(deps: {
  sql: Sql;
  builds: BuildResolver;
  freshness: Freshness;
  storeId: string;
}): OwnCounts {
  const count = async (
    model: string,
    written: Written | undefined,
    query: (read: ReadContext) => Promise<number>,
  ): Promise<number | null> => {
    try {
      const builds = await deps.builds.resolve();
      await deps.freshness.waitUntilPassed(builds, tokenOf(deps.storeId, written), [model], WAIT_MS);
      return await query({ sql: deps.sql, builds });
    } catch {
      return null;
    }
  };
  return {
    likes: (viewer, postId, written) => count('likes', written, (read) => likeCount(read, viewer, postId)),
    commentLikes: (viewer, commentId, written) =>
      count('comments', written, (read) => commentLikeCount(read, viewer, commentId)),
    storyViews: (viewer, storyId, written) =>
      count('story-views', written, (read) => storyViewCount(read, viewer, storyId)),
  };
}

function tokenOf(storeId: string, written: Written | undefined): ConsistencyToken | undefined {
  return written === undefined ? undefined : { storeId, position: written.position, owners: written.owners };
}
