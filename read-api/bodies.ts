import { z } from 'zod';

/** Addresses of a medium's sizes. */
export const Urls = z.object({
  thumbnail: z.string(),
  small: z.string(),
  medium: z.string(),
  large: z.string(),
  original: z.string(),
  hls: z.string().optional().meta({ description: 'Of a video: its playlist. The other addresses are its poster' }),
});

export const UserBody = z
  .object({
    user_id: z.string(),
    username: z.string(),
    full_name: z.string().nullable(),
    profile_picture: z.string().nullable(),
    is_verified: z.boolean(),
    is_private: z.boolean(),
  })
  .meta({ id: 'User' });

export const ListedUserBody = UserBody.extend({ is_following: z.boolean() }).meta({ id: 'ListedUser' });

export const ProfileBody = ListedUserBody.extend({
  profile_picture_urls: z.object({ 150: z.string(), 320: z.string(), 640: z.string() }).nullable().meta({
    description:
      'Squares by the length of a side in pixels. The larger two are made when the picture is chosen; until then the whole picture stands in, with its longer side of that length',
  }),
  bio: z.string().nullable(),
  website: z.string().nullable(),
  follower_count: z.int(),
  following_count: z.int(),
  post_count: z.int(),
  is_followed_by: z.boolean(),
  has_requested: z.boolean().meta({ description: 'The viewer asked to follow and waits' }),
}).meta({ id: 'Profile' });

export const MediumBody = z
  .object({
    media_id: z.string(),
    type: z.enum(['image', 'video']),
    urls: Urls,
    width: z.int(),
    height: z.int(),
    blurhash: z.string(),
    duration_ms: z.int().nullable(),
    alt_text: z.string().nullable(),
  })
  .meta({ id: 'Medium' });

export const PostBody = z
  .object({
    post_id: z.string(),
    user: UserBody,
    media: z.array(MediumBody),
    caption: z.string().nullable(),
    hashtags: z.array(z.string()),
    filter: z.string().nullable(),
    location: z.object({ id: z.string(), name: z.string(), lat: z.number(), lng: z.number() }).nullable(),
    like_count: z.int(),
    comment_count: z.int(),
    is_liked: z.boolean(),
    is_saved: z.boolean(),
    comments_disabled: z.boolean(),
    is_archived: z.boolean(),
    created_at: z.iso.datetime(),
    published_at: z.iso.datetime().nullable(),
    edited_at: z.iso.datetime().nullable().meta({ description: 'When the caption was last rewritten' }),
  })
  .meta({ id: 'Post' });

export const CommentBody = z
  .object({
    comment_id: z.string(),
    post_id: z.string(),
    parent_comment_id: z.string().nullable(),
    user: UserBody,
    text: z.string(),
    like_count: z.int(),
    reply_count: z.int(),
    is_liked: z.boolean(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Comment' });

export const StoryBody = z
  .object({
    story_id: z.string(),
    user: UserBody,
    media: MediumBody,
    duration: z.number().meta({ description: 'Seconds' }),
    audience: z.enum(['all', 'close_friends']),
    is_viewed: z.boolean(),
    view_count: z.int().nullable().meta({ description: 'For its author alone' }),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'Story' });
