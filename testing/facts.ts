import type { AccountId, CommentId, MediaId, PostId, StoryId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { happened, type Fact } from './projection-spec.ts';

/** Accounts, posts and so on by the dozen, in the order of their ids. */
export const several = {
  accounts: (count: number): AccountId[] => Array.from({ length: count }, newId.account).sort(),
  posts: (count: number): PostId[] => Array.from({ length: count }, newId.post).sort(),
  comments: (count: number): CommentId[] => Array.from({ length: count }, newId.comment).sort(),
  stories: (count: number): StoryId[] => Array.from({ length: count }, newId.story).sort(),
  media: (count: number): MediaId[] => Array.from({ length: count }, newId.media).sort(),
};

type Post = { readonly postId: PostId; readonly authorId: AccountId };
type Composed = {
  caption?: string | null;
  mediaIds?: MediaId[];
  altTexts?: Partial<Record<MediaId, string>> | null;
  location?: { name: string; lat: number; lng: number } | null;
  commentsDisabled?: boolean;
};

/** The facts of a post's life, with what a test does not care about filled in. */
export const aPost = {
  created: ({ postId, authorId }: Post, composed: Composed = {}, at?: string): Fact =>
    happened(
      'PostCreated',
      {
        postId,
        authorId,
        caption: null,
        mediaIds: [newId.media()],
        filter: null,
        altTexts: {},
        location: null,
        commentsDisabled: false,
        ...composed,
      },
      at,
    ),
  published: ({ postId, authorId }: Post, publishedAt = '2026-01-02T03:04:05.000Z'): Fact =>
    happened('PostPublished', { postId, authorId, publishedAt }),
  deleted: ({ postId, authorId }: Post): Fact => happened('PostDeleted', { postId, authorId }),
};

/** An account that registered. */
export function registered(
  accountId: AccountId,
  username: string,
  options: { fullName?: string; privacy?: 'public' | 'private' } = {},
): Fact {
  return happened('AccountRegistered', {
    accountId,
    username,
    email: `${username}@example.org`,
    fullName: options.fullName ?? username,
    privacy: options.privacy ?? 'public',
  });
}

/** An account that is gone. */
export const erased = (accountId: AccountId): Fact => happened('AccountErased', { accountId });
