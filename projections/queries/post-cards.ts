import type { AccountId, MediaId, PostId } from '../../domain/ids.ts';
import { queryPrepared } from '../../infra/postgres.ts';
import type { MediaKeys } from '../models/media.ts';
import { statementFor } from '../models/prepared.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { userColumns, type UserCard } from './user-cards.ts';
import { countFor } from '../models/viewer-counts.ts';
import { isThere, maySeePost } from './viewer-rules.ts';

/** A medium of a post, in its post's order. */
export type PostMedium = {
  readonly media_id: MediaId;
  readonly kind: 'image' | 'video';
  readonly keys: MediaKeys;
  /** A video's first playlist. */
  readonly playlist: string | null;
  readonly width: number;
  readonly height: number;
  readonly duration_ms: number | null;
  readonly blurhash: string;
  readonly alt_text: string | null;
};

/** Everything that a reader sees of a post. */
export type PostCard = {
  readonly post_id: PostId;
  readonly author: UserCard;
  readonly status: 'published' | 'archived';
  readonly caption: string | null;
  readonly filter: string | null;
  readonly location: { readonly id: string; readonly name: string; readonly lat: number; readonly lng: number } | null;
  readonly media: readonly PostMedium[];
  readonly comments_disabled: boolean;
  readonly like_count: number;
  readonly comment_count: number;
  readonly is_liked: boolean;
  readonly is_saved: boolean;
  readonly created_at: Date;
  readonly published_at: Date | null;
  /** When the caption was last rewritten; null for one that never was. */
  readonly edited_at: Date | null;
  /**
   * Changes with everything on the card but counts and what concerns the viewer; null while a model that lags leaves
   * something out.
   */
  readonly version: string | null;
};

/** The models that `postCards` reads. */
export const POST_CARD_MODELS = [
  'posts',
  'accounts',
  'follows',
  'relationships',
  'media',
  'likes',
  'saves',
  'comments',
] as const;

const statement = statementFor('post_cards', textOf);

/**
 * The cards of those of `postIds` that the viewer may see, in the order given, in one round trip: no author blocked
 * either way, none private without a follow, nothing unpublished (but one's own archived posts).
 */
export async function postCards(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  postIds: readonly PostId[],
): Promise<PostCard[]> {
  if (postIds.length === 0) return [];
  const rows = await queryPrepared<CardRow>(sql, statement(builds), [viewer, postIds]);
  return rows.map(cardOf);
}

type CardRow = Omit<PostCard, 'author' | 'location' | 'like_count' | 'comment_count'> &
  UserCard & {
    readonly like_count: string;
    readonly comment_count: string;
    readonly location_id: string | null;
    readonly location_name: string | null;
    readonly location_lat: number | null;
    readonly location_lng: number | null;
  };

function textOf(builds: Builds): string {
  const [posts, likes, saves, media] = [
    builds.schema('posts'),
    builds.schema('likes'),
    builds.schema('saves'),
    builds.schema('media'),
  ];
  return `
    select p.post_id, p.status, p.caption, p.filter, p.location_id, p.location_name, p.location_lat, p.location_lng,
      p.comments_disabled, p.created_at, p.published_at, p.edited_at, ${userColumns(builds, 'a')},
      case when ${isWhole(builds)} then ${cardVersion('p', 'a')} end as version,
      ${countFor.likes(builds, '$1', 'p.post_id')} as like_count,
      ${countFor.comments(builds, '$1', 'p.post_id')} as comment_count,
      ${isThere(`${likes}.post_like l where l.post_id = p.post_id and l.account_id = $1`)} as is_liked,
      ${isThere(`${saves}.post_save s where s.post_id = p.post_id and s.account_id = $1`)} as is_saved,
      coalesce((
        select json_agg(json_build_object('media_id', m.media_id, 'kind', m.kind, 'keys', m.keys, 'playlist', m.playlist, 'width', m.width, 'height', m.height,
          'duration_ms', m.duration_ms, 'blurhash', m.blurhash, 'alt_text', x.alt_text) order by x.ordinal)
        from ${posts}.post_media x join ${media}.media m on m.media_id = x.media_id and m.status = 'ready'
        where x.post_id = p.post_id
      ), '[]') as media
    from unnest($2::text[]) with ordinality as wanted (post_id, place)
    join ${posts}.post p on p.post_id = wanted.post_id
    join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
    where ${maySeePost(builds, '$1', { post: 'p', author: 'a' })}
    order by wanted.place`;
}

/**
 * SQL: the version of a card, off the rows of its post and author: the transactions that last wrote them. The media of
 * a published post and the picture of a profile do not change once they are ready.
 */
export function cardVersion(post: string, author: string): string {
  return `(${post}.xmin::text || '/' || ${author}.xmin::text)`;
}

function isWhole(builds: Builds): string {
  const notReady = (id: string) =>
    `not exists (select from ${builds.schema('media')}.media m where m.media_id = ${id} and m.status = 'ready')`;
  return `not exists (select from ${builds.schema('posts')}.post_media x where x.post_id = p.post_id and ${notReady('x.media_id')})
    and not (a.profile_media_id is not null and ${notReady('a.profile_media_id')})`;
}

function cardOf(row: CardRow): PostCard {
  const {
    account_id,
    username,
    full_name,
    is_private,
    is_verified,
    picture,
    location_id,
    location_name,
    location_lat,
    location_lng,
    ...card
  } = row;
  const located = location_id !== null && location_name !== null && location_lat !== null && location_lng !== null;
  return {
    ...card,
    author: { account_id, username, full_name, is_private, is_verified, picture },
    location: located ? { id: location_id, name: location_name, lat: location_lat, lng: location_lng } : null,
    like_count: Number(row.like_count),
    comment_count: Number(row.comment_count),
  };
}
