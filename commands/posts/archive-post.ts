import { z } from 'zod';
import { AccountId, PostId } from '../../domain/ids.ts';
import { changeOwnPost } from './change-own-post.ts';
import type { CommandContext, Log } from '../handle.ts';

export const ArchivePostInput = z.object({ accountId: AccountId, postId: PostId });
export type ArchivePostInput = z.infer<typeof ArchivePostInput>;

/** Hides one's own published post from everybody else; a hidden one stays hidden. */
export function archivePost(log: Log, context: CommandContext, { accountId, postId }: ArchivePostInput) {
  return changeOwnPost(log, context, { postId, command: { type: 'ArchivePost', by: accountId } });
}

/** Brings an archived post back at its own time; a published one stays published. */
export function unarchivePost(log: Log, context: CommandContext, { accountId, postId }: ArchivePostInput) {
  return changeOwnPost(log, context, { postId, command: { type: 'UnarchivePost', by: accountId } });
}
