import { LRUCache } from 'lru-cache';
import { PostId, type AccountId } from '../../domain/ids.ts';
import { postCards, type PostCard } from '../../projections/post-cards.ts';
import { postViews, type PostView } from '../../projections/post-views.ts';
import type { Builds, ReadContext } from '../../projections/projection.ts';
import type { Ranked } from './sessions.ts';

/** Turns places in a feed into cards, for those that the viewer may see there at the models' own checkpoint, in order. */
export type Hydrate = (items: readonly Ranked[]) => Promise<PostCard[]>;

/** Makes what turns one viewer's places into cards. */
export type Hydration = (read: ReadContext, viewer: AccountId) => Hydrate;

const CARDS = { max: 20_000, ttl: 3_600_000 };

/**
 * Whatever an index says, a feed shows nothing by an author who is not followed (but recommendations), muted or blocked,
 * nothing hidden or gone: that, and counts, are asked of the models each time. What is the same for everybody is kept for
 * an hour, as long as post and author are the rows that it was read from.
 */
export function createHydration(): Hydration {
  const kept = new LRUCache<string, PostCard>(CARDS);
  return (read, viewer) => async (items) => {
    const views = await postViews(read, viewer, items.map(({ id }) => id));
    const shown = items.flatMap(({ id, recommended }) => {
      const view = views.get(id);
      return view !== undefined && (view.followed || recommended) ? [{ id, view }] : [];
    });
    const keyOf = keysFor(read.builds);
    const known = new Map(shown.flatMap(({ id, view }) => {
      const card = kept.get(keyOf(id));
      return card?.version === view.version ? [[id, card] as const] : [];
    }));
    const missing = shown.filter(({ id }) => !known.has(id)).map(({ id }) => PostId.parse(id));
    for (const card of await postCards(read, viewer, missing)) {
      known.set(card.post_id, card);
      if (card.version !== null) kept.set(keyOf(card.post_id), card);
    }
    return shown.flatMap(({ id, view }) => {
      const card = known.get(id);
      return card?.status === 'published' ? [withView(card, view)] : [];
    });
  };
}

function withView(card: PostCard, { like_count, comment_count, is_liked, is_saved }: PostView): PostCard {
  return { ...card, like_count, comment_count, is_liked, is_saved };
}

/** The rows of another build are others, whatever their versions. */
function keysFor(builds: Builds): (postId: string) => string {
  const build = ['posts', 'accounts', 'media'].map((name) => builds.id(name)).join('/');
  return (postId) => `${build}/${postId}`;
}
