import { z } from 'zod';
import { AccountId, PostId } from '../../domain/ids.ts';
import { saveDecider, type SaveCommand } from '../../domain/save.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seePost } from './see-post.ts';

export const SavePostInput = z.object({ accountId: AccountId, postId: PostId });
export type SavePostInput = z.infer<typeof SavePostInput>;

/**
 * Puts a post on the account's list of saved ones; saving it again changes nothing. Refuses with `post_not_found` when
 * the account may not see it.
 */
export function savePost(log: Log, context: CommandContext, input: SavePostInput) {
  return change(log, context, { type: 'SavePost', ...input });
}

/**
 * Takes a post off the list, also one that has since been hidden. Refuses with `post_not_found` one that is neither
 * saved nor to be seen.
 */
export function unsavePost(log: Log, context: CommandContext, input: SavePostInput) {
  return change(log, context, { type: 'UnsavePost', ...input });
}

async function change(log: Log, context: CommandContext, command: Omit<SaveCommand, 'post'>) {
  const { postId, accountId } = command;
  const post = await seePost(log, accountId, postId);
  return handle(log, context, {
    decider: saveDecider,
    streamId: streamOf.save(postId, accountId),
    command: { ...command, post },
    owners: () => [postId],
  });
}
