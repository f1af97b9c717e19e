import { z } from 'zod';
import { CommentId, MediaId, PostId, StoryId } from '../../domain/ids.ts';

/**
 * `{id}` in a path. A text that cannot be an id comes out as undefined: nothing is there, which is a 404 and not a 400.
 */
function pathId<Id extends z.ZodType>(id: Id) {
  return z
    .string()
    .max(200)
    .transform((text): z.output<Id> | undefined => id.safeParse(text).data);
}

export const postParams = z.object({ id: pathId(PostId) });
export const commentParams = z.object({ id: pathId(CommentId) });
export const storyParams = z.object({ id: pathId(StoryId) });
export const uploadParams = z.object({ upload_id: pathId(MediaId) });
