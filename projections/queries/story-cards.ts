import type { AccountId, StoryId } from '../../domain/ids.ts';
import type { PostMedium } from './post-cards.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { userColumns, type UserCard } from './user-cards.ts';
import { countFor } from '../models/viewer-counts.ts';
import { isThere, maySeeStory } from './viewer-rules.ts';

/** Everything that a reader sees of a story. `views` is for its author alone to be shown. */
export type StoryCard = {
  readonly story_id: StoryId;
  readonly author: UserCard;
  readonly medium: Omit<PostMedium, 'alt_text'>;
  readonly duration_ms: number;
  readonly audience: 'all' | 'close_friends';
  readonly published_at: Date;
  readonly expires_at: Date;
  readonly is_viewed: boolean;
  readonly views: number;
};

/** The models that stories are read from. */
export const STORY_CARD_MODELS = ['stories', 'story-views', 'accounts', 'follows', 'relationships', 'media'] as const;

/** The cards of those of `storyIds` that the viewer may see at `now`, in the order given. */
export async function storyCards(
  read: ReadContext,
  viewer: AccountId,
  storyIds: readonly StoryId[],
  now: Date,
): Promise<StoryCard[]> {
  if (storyIds.length === 0) return [];
  const cards = await select(read, 's.story_id = any($3::text[])', '', [viewer, now, storyIds]);
  const byId = new Map(cards.map((card) => [card.story_id, card]));
  return storyIds.flatMap((id) => byId.get(id) ?? []);
}

/** An author's stories that the viewer may see at `now`, oldest first, as they are watched. */
export function storiesByAuthor(
  read: ReadContext,
  viewer: AccountId,
  author: AccountId,
  now: Date,
): Promise<StoryCard[]> {
  return select(read, 's.author_id = $3', 'order by s.published_at, s.story_id limit 500', [viewer, now, author]);
}

/** How many saw one's own published story; undefined when there is none that is the author's, expired ones included. */
export async function viewsOfOwnStory(
  { sql, builds }: ReadContext,
  author: AccountId,
  storyId: StoryId,
): Promise<number | undefined> {
  const { rows } = await sql.query<{ views: string }>(
    `select ${countFor.storyViews(builds, '$1', 's.story_id')} as views from ${builds.schema('stories')}.story s
     where s.story_id = $2 and s.author_id = $1 and s.status = 'published'`,
    [author, storyId],
  );
  return rows[0] && Number(rows[0].views);
}

type StoryRow = Omit<StoryCard, 'author' | 'views'> & UserCard & { readonly views: string };

async function select(
  { sql, builds }: ReadContext,
  where: string,
  order: string,
  values: readonly unknown[],
): Promise<StoryCard[]> {
  const { rows } = await sql.query<StoryRow>(
    `${selectStories(builds)} where ${where} and ${maySeeStory(builds, '$1', { story: 's', author: 'a', now: '$2::timestamptz' })} ${order}`,
    [...values],
  );
  return rows.map(({ account_id, username, full_name, is_private, is_verified, picture, ...row }) => ({
    ...row,
    author: { account_id, username, full_name, is_private, is_verified, picture },
    views: Number(row.views),
  }));
}

function selectStories(builds: Builds): string {
  const views = builds.schema('story-views');
  return `
    select s.story_id, s.duration_ms, s.audience, s.published_at, s.expires_at, ${userColumns(builds, 'a')},
      json_build_object('media_id', m.media_id, 'kind', m.kind, 'keys', m.keys, 'playlist', m.playlist, 'width', m.width, 'height', m.height,
        'duration_ms', m.duration_ms, 'blurhash', m.blurhash) as medium,
      ${isThere(`${views}.story_view v where v.story_id = s.story_id and v.account_id = $1`)} as is_viewed,
      ${countFor.storyViews(builds, '$1', 's.story_id')} as views
    from ${builds.schema('stories')}.story s
    join ${builds.schema('accounts')}.account a on a.account_id = s.author_id
    join ${builds.schema('media')}.media m on m.media_id = s.media_id and m.status = 'ready'`;
}
