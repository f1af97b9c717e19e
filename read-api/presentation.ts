import { z } from 'zod';
import { hashtagsOf } from '../domain/hashtag.ts';
import { JsonText } from '../infra/http/json-text.ts';
import type { MediaAddresses } from '../infra/object-store/media-addresses.ts';
import type { CommentCard } from '../projections/queries/comment-lists.ts';
import type { PostCard, PostMedium } from '../projections/queries/post-cards.ts';
import type { Profile } from '../projections/queries/profiles.ts';
import type { StoryCard } from '../projections/queries/story-cards.ts';
import type { ListedUser, UserCard } from '../projections/queries/user-cards.ts';

const Urls = z.object({
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

const MediumBody = z
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

/** Turns cards into what clients get; the only thing that it adds are addresses. */
export type Presenter = {
  user(card: UserCard): z.input<typeof UserBody>;
  listedUser(card: ListedUser): z.input<typeof ListedUserBody>;
  profile(profile: Profile): z.input<typeof ProfileBody>;
  post(card: PostCard): z.input<typeof PostBody>;
  /** The same as JSON, of which only what changes is written each time. */
  postText(card: PostCard): JsonText<z.input<typeof PostBody>>;
  comment(card: CommentCard): z.input<typeof CommentBody>;
  story(card: StoryCard, viewer: string): z.input<typeof StoryBody>;
};

/** A presenter whose media addresses come from `addresses`. */
export function createPresenter(addresses: MediaAddresses): Presenter {
  const user = (card: UserCard): z.input<typeof UserBody> => ({
    user_id: card.account_id,
    username: card.username,
    full_name: card.full_name,
    profile_picture: pictureOf(addresses, card),
    is_verified: card.is_verified,
    is_private: card.is_private,
  });
  const listedUser = (card: ListedUser) => ({ ...user(card), is_following: card.is_following });
  const fixed = rememberedPosts(addresses, user);
  return {
    user,
    listedUser,
    profile: (card) => ({
      ...listedUser(card),
      profile_picture_urls: picturesOf(addresses, card),
      bio: card.bio,
      website: card.website,
      follower_count: card.followers,
      following_count: card.following,
      post_count: card.posts,
      is_followed_by: card.is_followed_by,
      has_requested: card.has_requested,
    }),
    post: (card) => ({ ...fixed(card).part, ...changingPart(card) }),
    postText: (card) => {
      const post = fixed(card);
      post.text ??= JSON.stringify(post.part);
      return new JsonText(`${post.text.slice(0, -1)},${JSON.stringify(changingPart(card)).slice(1)}`);
    },
    comment: ({ author, created_at, ...card }) => ({
      comment_id: card.comment_id,
      post_id: card.post_id,
      parent_comment_id: card.parent_comment_id,
      user: user(author),
      text: card.text,
      like_count: card.like_count,
      reply_count: card.reply_count,
      is_liked: card.is_liked,
      created_at: created_at.toISOString(),
    }),
    story: ({ author, medium, ...card }, viewer) => ({
      story_id: card.story_id,
      user: user(author),
      media: presentMedium(addresses, author, { ...medium, alt_text: null }),
      duration: card.duration_ms / 1000,
      audience: card.audience,
      is_viewed: card.is_viewed,
      view_count: author.account_id === viewer ? card.views : null,
      created_at: card.published_at.toISOString(),
      expires_at: card.expires_at.toISOString(),
    }),
  };
}

type FixedPart = Omit<z.input<typeof PostBody>, keyof ReturnType<typeof changingPart>>;

type FixedPost = { readonly part: FixedPart; /** Its JSON, once somebody wanted it. */ text?: string };

// Cards are kept between requests and shown many times, and all that are made of one have its list of media; only the
// addresses of private media run out.
function rememberedPosts(addresses: MediaAddresses, user: Presenter['user']): (card: PostCard) => FixedPost {
  const known = new WeakMap<PostCard['media'], FixedPost>();
  const presented = (card: PostCard): FixedPost => {
    const part: FixedPart = {
      post_id: card.post_id,
      user: user(card.author),
      media: card.media.map((medium) => presentMedium(addresses, card.author, medium)),
      caption: card.caption,
      hashtags: card.caption === null ? [] : hashtagsOf(card.caption),
      filter: card.filter,
      location: card.location,
      comments_disabled: card.comments_disabled,
      is_archived: card.status === 'archived',
      created_at: card.created_at.toISOString(),
      published_at: card.published_at?.toISOString() ?? null,
      edited_at: card.edited_at?.toISOString() ?? null,
    };
    return { part };
  };
  return (card) => {
    if (card.author.is_private) return presented(card);
    const post = known.get(card.media) ?? presented(card);
    known.set(card.media, post);
    return post;
  };
}

const changingPart = ({ like_count, comment_count, is_liked, is_saved }: PostCard) => ({
  like_count,
  comment_count,
  is_liked,
  is_saved,
});

function presentMedium(addresses: MediaAddresses, owner: UserCard, medium: PostMedium): z.input<typeof MediumBody> {
  const { media_id, kind, width, height, blurhash, duration_ms, alt_text } = medium;
  return {
    media_id,
    type: kind,
    urls: urlsOf(addresses, owner, medium),
    width,
    height,
    blurhash,
    duration_ms,
    alt_text,
  };
}

// When media are many, two sizes may be all that was made: the next larger one then stands in, else the next smaller.
const SIZES = ['thumbnail', 'small', 'medium', 'large', 'original'] as const;

function urlsOf(
  addresses: MediaAddresses,
  owner: UserCard,
  { keys, playlist }: Pick<PostMedium, 'keys' | 'playlist'>,
): z.input<typeof Urls> {
  const of = (size: number) => {
    const key =
      SIZES.slice(size)
        .map((name) => keys[name])
        .find(isKey) ??
      SIZES.slice(0, size)
        .toReversed()
        .map((name) => keys[name])
        .find(isKey);
    return key === undefined ? '' : addresses.of(key, { isPrivate: owner.is_private });
  };
  const hls = playlist === null ? {} : { hls: addresses.of(playlist, { isPrivate: owner.is_private }) };
  return { thumbnail: of(0), small: of(1), medium: of(2), large: of(3), original: of(4), ...hls };
}

const isKey = (key: string | undefined) => key !== undefined;

function picturesOf(addresses: MediaAddresses, card: UserCard): { 150: string; 320: string; 640: string } | null {
  if (card.picture === null) return null;
  const { thumbnail, small, medium } = urlsOf(addresses, card, { keys: card.picture, playlist: null });
  const squareOr = (key: string | undefined, whole: string) =>
    key === undefined ? whole : addresses.of(key, { isPrivate: card.is_private });
  return {
    150: thumbnail,
    320: squareOr(card.picture.profile_small, small),
    640: squareOr(card.picture.profile_medium, medium),
  };
}

function pictureOf(addresses: MediaAddresses, { picture, is_private }: UserCard): string | null {
  const key = picture?.thumbnail ?? picture?.small ?? picture?.large;
  return key === undefined ? null : addresses.of(key, { isPrivate: is_private });
}
