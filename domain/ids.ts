import { z } from 'zod';

const typeId = <P extends string>(prefix: P) =>
  z.string().regex(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`), `must be an id that starts with ${prefix}_`);

/**
 * TypeIDs: a readable prefix and a base32 UUIDv7, so they sort by the time of creation and are safe in stream names.
 */
export const AccountId = typeId('acc').brand<'AccountId'>();
export const PostId = typeId('post').brand<'PostId'>();
export const MediaId = typeId('med').brand<'MediaId'>();
export const CommentId = typeId('cmt').brand<'CommentId'>();
export const StoryId = typeId('sty').brand<'StoryId'>();
export const MessageId = typeId('msg').brand<'MessageId'>();

export type AccountId = z.infer<typeof AccountId>;
export type PostId = z.infer<typeof PostId>;
export type MediaId = z.infer<typeof MediaId>;
export type CommentId = z.infer<typeof CommentId>;
export type StoryId = z.infer<typeof StoryId>;
export type MessageId = z.infer<typeof MessageId>;

/** Whose lane must see an event: an account, or for likes and comments the post. */
export const OwnerId = z.union([AccountId, PostId]);
export type OwnerId = z.infer<typeof OwnerId>;
