import type { ActorRefusal } from '../commands/handle.ts';
import type { CommentRefusal } from '../domain/comment.ts';
import type { MediaRefusal } from '../domain/media.ts';
import type { PostRefusal } from '../domain/post.ts';
import type { StoryRefusal } from '../domain/story.ts';

/** Why a command about media, posts, comments or stories is refused. */
export type ContentRefusal = MediaRefusal | PostRefusal | CommentRefusal | StoryRefusal | ActorRefusal | 'no_files';

/**
 * How each of these refusals is told over HTTP. What is hidden from the account is refused exactly as what does not
 * exist.
 */
export const contentProblems: Readonly<
  Record<ContentRefusal, { readonly status: number; readonly title: string; readonly code?: string }>
> = {
  actor_erased: { status: 401, code: 'session_ended', title: 'The session has ended' },
  media_type_unsupported: { status: 415, title: 'Files of this type cannot be uploaded' },
  media_video_unavailable: { status: 415, title: 'This server cannot process videos' },
  media_too_large: { status: 413, title: 'The file is larger than allowed' },
  upload_id_taken: { status: 409, title: 'There is such an upload already' },
  upload_not_found: { status: 404, title: 'There is no such upload' },
  upload_expired: { status: 410, title: 'The time for this upload is over' },
  upload_missing: { status: 409, title: 'The file has not arrived' },
  upload_size_mismatch: { status: 422, title: 'The size is not the declared one' },
  upload_type_mismatch: { status: 415, title: 'The content is of another type than declared' },
  upload_checksum_mismatch: { status: 422, title: 'The bytes do not have the declared checksum' },
  no_files: { status: 422, title: 'The form has no image' },
  post_id_taken: { status: 409, title: 'There is such a post already' },
  media_not_found: { status: 404, title: 'There is no such medium' },
  media_not_uploaded: { status: 409, title: 'The upload of a medium is not complete' },
  media_rejected: { status: 422, title: 'A medium cannot be shown' },
  media_repeated: { status: 422, title: 'A medium is named twice' },
  alt_texts_mismatch: { status: 422, title: 'The alt texts do not fit the media' },
  too_many_hashtags: { status: 422, title: 'The caption has too many hashtags' },
  hashtag_too_long: { status: 422, title: 'A hashtag of the caption is too long' },
  post_not_found: { status: 404, title: 'There is no such post' },
  post_not_yours: { status: 403, title: 'The post is not yours' },
  post_not_published: { status: 409, title: 'The post is not published' },
  comment_id_taken: { status: 409, title: 'There is such a comment already' },
  comments_disabled: { status: 403, title: 'The post takes no comments' },
  parent_not_found: { status: 404, title: 'The comment to be answered is not there' },
  parent_is_a_reply: { status: 422, title: 'A reply cannot be answered' },
  comment_not_found: { status: 404, title: 'There is no such comment' },
  comment_not_yours: { status: 403, title: 'The comment is not yours' },
  story_id_taken: { status: 409, title: 'There is such a story already' },
  story_not_found: { status: 404, title: 'There is no such story' },
  story_not_yours: { status: 403, title: 'The story is not yours' },
};
