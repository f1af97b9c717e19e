import type { AccountId, CommentId, MediaId, PostId, StoryId } from './ids.ts';

/**
 * The names of all streams. One small stream for each decision, so that a post with a million likes has a million tiny
 * streams and no contended one, and uniqueness is the stream's own expected revision.
 */
export const streamOf = {
  account: (id: AccountId) => `account-${id}`,
  usernameReservation: (hmac: string) => `username-${hmac}`,
  emailReservation: (hmac: string) => `email-${hmac}`,
  follow: (follower: AccountId, followee: AccountId) => `follow-${follower}-${followee}`,
  block: (blocker: AccountId, blocked: AccountId) => `block-${blocker}-${blocked}`,
  mute: (muter: AccountId, muted: AccountId) => `mute-${muter}-${muted}`,
  closeFriend: (account: AccountId, friend: AccountId) => `closefriend-${account}-${friend}`,
  media: (id: MediaId) => `media-${id}`,
  post: (id: PostId) => `post-${id}`,
  like: (post: PostId, account: AccountId) => `like-${post}-${account}`,
  save: (post: PostId, account: AccountId) => `save-${post}-${account}`,
  comment: (id: CommentId) => `comment-${id}`,
  commentLike: (comment: CommentId, account: AccountId) => `commentlike-${comment}-${account}`,
  story: (id: StoryId) => `story-${id}`,
  storyView: (story: StoryId, account: AccountId) => `storyview-${story}-${account}`,
} as const;
