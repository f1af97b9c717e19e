import type { AccountId, StoryId } from '../../domain/ids.ts';
import type { ReadContext } from '../projection.ts';
import { follows, maySeeStory } from './viewer-rules.ts';

/** A story as far as the order of a tray needs it. */
export type TrayStory = {
  readonly story_id: StoryId;
  readonly author_id: AccountId;
  readonly published_at: Date;
  readonly is_viewed: boolean;
};

/**
 * Those of some stories that belong into the viewer's tray at `now`, by the models' own checkpoint: of followed, not
 * muted authors, for its eyes, not expired.
 */
export async function trayStories(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  storyIds: readonly string[],
  now: Date,
): Promise<TrayStory[]> {
  if (storyIds.length === 0) return [];
  const { rows } = await sql.query<TrayStory>(
    `select s.story_id, s.author_id, s.published_at,
       exists (select from ${builds.schema('story-views')}.story_view v where v.story_id = s.story_id and v.account_id = $1) as is_viewed
     from ${builds.schema('stories')}.story s join ${builds.schema('accounts')}.account a on a.account_id = s.author_id
     where s.story_id = any($3::text[]) and ${maySeeStory(builds, '$1', { story: 's', author: 'a', now: '$2::timestamptz' })}
       and ${follows(builds, '$1', 's.author_id')}
       and not exists (select from ${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = s.author_id)`,
    [viewer, now, storyIds],
  );
  return rows;
}
