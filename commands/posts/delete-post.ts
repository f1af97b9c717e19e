import { z } from 'zod';
import { AccountId, PostId } from '../../domain/ids.ts';
import { changeOwnPost } from './change-own-post.ts';
import type { CommandContext, Log } from '../handle.ts';

export const DeletePostInput = z.object({ accountId: AccountId, postId: PostId });
export type DeletePostInput = z.infer<typeof DeletePostInput>;

/** Deletes one's own post for good, whatever became of its media. */
export function deletePost(log: Log, context: CommandContext, { accountId, postId }: DeletePostInput) {
  return changeOwnPost(log, context, { postId, command: { type: 'DeletePost', by: accountId } });
}
