import { PostId, type AccountId } from '../../domain/ids.ts';
import { feedStandings, type FeedStanding } from '../../projections/feed-rules.ts';
import { postCards, type PostCard } from '../../projections/post-cards.ts';
import type { ReadContext } from '../../projections/projection.ts';
import type { Ranked } from './sessions.ts';

/** Turns places in a feed into cards, for those that the viewer may see there at the models' own checkpoint, in order. */
export type Hydrate = (items: readonly Ranked[]) => Promise<PostCard[]>;

/** Whatever an index says: nothing by an author who is not followed (but recommendations), muted or blocked, nothing hidden or gone. */
export function hydrateFor(read: ReadContext, viewer: AccountId): Hydrate {
  return async (items) => {
    const ids = items.map(({ id }) => PostId.parse(id));
    const [cards, standings] = await Promise.all([postCards(read, viewer, ids), feedStandings(read, viewer, ids)]);
    const byId = new Map(cards.filter(({ status }) => status === 'published').map((card) => [card.post_id as string, card]));
    return items.flatMap(({ id, recommended }) => (belongs(standings.get(id), recommended) ? byId.get(id) ?? [] : []));
  };
}

function belongs(standing: FeedStanding | undefined, recommended: boolean): boolean {
  return standing === 'followed' || (standing === 'stranger' && recommended);
}
