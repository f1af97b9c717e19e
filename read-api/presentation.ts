import type { z } from 'zod';
import { hashtagsOf } from '../domain/hashtag.ts';
import { JsonText } from '../infra/http/json-text.ts';
import type { MediaAddresses } from '../infra/object-store/media-addresses.ts';
import type { CommentCard } from '../projections/queries/comment-lists.ts';
import type { PostCard, PostMedium } from '../projections/queries/post-cards.ts';
import type { Profile } from '../projections/queries/profiles.ts';
import type { StoryCard } from '../projections/queries/story-cards.ts';
import type { ListedUser, UserCard } from '../projections/queries/user-cards.ts';
import type { CommentBody, ListedUserBody, MediumBody, PostBody, ProfileBody, StoryBody, UserBody } from './bodies.ts';
import { pictureOf, picturesOf, urlsOf, type Access } from './media-urls.ts';

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
      media: presentMedium(addresses, { isPrivate: author.is_private }, { ...medium, alt_text: null }),
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
      media: card.media.map((medium) => presentMedium(addresses, { isPrivate: isSecret(card) }, medium)),
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
    if (isSecret(card)) return presented(card);
    const post = known.get(card.media) ?? presented(card);
    known.set(card.media, post);
    return post;
  };
}

/** Whether a post's files have signed addresses. */
const isSecret = ({ author, status }: PostCard) => author.is_private || status === 'archived';

const changingPart = ({ like_count, comment_count, is_liked, is_saved }: PostCard) => ({
  like_count,
  comment_count,
  is_liked,
  is_saved,
});

function presentMedium(addresses: MediaAddresses, access: Access, medium: PostMedium): z.input<typeof MediumBody> {
  const { media_id, kind, width, height, blurhash, duration_ms, alt_text } = medium;
  return {
    media_id,
    type: kind,
    urls: urlsOf(addresses, access, medium),
    width,
    height,
    blurhash,
    duration_ms,
    alt_text,
  };
}
