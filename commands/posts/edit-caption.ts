import { z } from 'zod';
import { AccountId, PostId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { proseText } from '../../domain/text.ts';
import { changeOwnPost } from './change-own-post.ts';
import type { CommandContext, Log } from '../handle.ts';

export const EditCaptionInput = z.object({ accountId: AccountId, postId: PostId, caption: proseText(LIMITS.caption) });
export type EditCaptionInput = z.infer<typeof EditCaptionInput>;

/** Rewrites the caption of one's own post. */
export function editCaption(log: Log, context: CommandContext, { accountId, postId, caption }: EditCaptionInput) {
  return changeOwnPost(log, context, { postId, command: { type: 'EditCaption', by: accountId, caption } });
}
