import { PostId, type AccountId } from '../../../domain/ids.ts';
import { RecentMap } from '../../../infra/process/expiring-map.ts';
import type { ChangesHeard } from '../../../infra/process/invalidation-source.ts';
import { postCards, type PostCard } from '../../../projections/queries/post-cards.ts';
import { viewOf, type PostView } from '../../../projections/queries/post-views.ts';
import type { Builds, ReadContext } from '../../../projections/projection.ts';
import { hiddenCounts, type HiddenCounts } from '../../../projections/models/viewer-counts.ts';
import { askedFacts, type FactsOf } from '../cache/fact-cache.ts';
import type { Ranked } from '../cache/sessions.ts';

/**
 * Turns places in a feed into cards, for those that the viewer may see there at the models' own checkpoint, in order.
 */
export type Hydrate = (items: readonly Ranked[]) => Promise<PostCard[]>;

/** Makes what turns one viewer's places into cards; `fresh` when nothing that this process remembers may answer. */
export type Hydration = (read: ReadContext, viewer: AccountId, options: { readonly fresh: boolean }) => Hydrate;

const CARDS = { most: 20_000, lifetimeMs: 3_600_000 };

/**
 * Whatever an index says, a feed shows nothing by an author who is not followed (but recommendations), muted or
 * blocked, nothing hidden or gone: `factsOf` says that, and the counts, by default as the models say it each time. What
 * is the same for everybody is kept for an hour, as long as post and author are the rows that it was read from.
 */
export function createHydration(factsOf: FactsOf = askedFacts, changes?: ChangesHeard): Hydration {
  const kept = new RecentMap<string, PostCard>(CARDS);
  // A server that lost its last moments may give the transactions of other rows the same numbers.
  changes?.onChanges((what) => {
    if (what === 'all') kept.clear();
  });
  let builds = '';
  return (read, viewer, { fresh }) =>
    async (items) => {
      const facts = await factsOf(
        read,
        viewer,
        items.map(({ id }) => id),
        { fresh },
      );
      // The rows of another build are others, whatever their versions.
      const now = buildsOf(read.builds);
      if (now !== builds) kept.clear();
      builds = now;
      const shown = items.flatMap(({ id, recommended }) => {
        const known = facts.get(id);
        const view = known && viewOf(viewer, known);
        return view !== undefined && (view.followed || recommended)
          ? [{ id, view, card: currentOf(kept, id, view) }]
          : [];
      });
      const asked = await postCards(
        read,
        viewer,
        shown.flatMap(({ id, card }) => (card === undefined ? PostId.parse(id) : [])),
      );
      for (const card of asked) if (card.version !== null && now === builds) kept.set(card.post_id, card);
      const added = new Map<string, PostCard>(asked.map((card) => [card.post_id, card]));
      // What is kept of a post is the same for everybody; few viewers have a block that takes somebody out of its
      // counts.
      const among = shown.filter(({ view }) => view.blocks).map(({ id }) => id);
      const hidden = among.length === 0 ? NOBODY : await hiddenCounts(read, viewer, among);
      return shown.flatMap(({ id, view, card = added.get(id) }) =>
        card?.status === 'published' ? [withView(card, view, hidden.get(id))] : [],
      );
    };
}

function currentOf(kept: RecentMap<string, PostCard>, id: string, view: PostView): PostCard | undefined {
  const card = kept.get(id);
  return card?.version === view.version ? card : undefined;
}

const NOBODY: ReadonlyMap<string, HiddenCounts> = new Map();

function withView(
  card: PostCard,
  { like_count, comment_count, is_liked, is_saved }: PostView,
  hidden: HiddenCounts = { likes: 0, comments: 0 },
): PostCard {
  return {
    ...card,
    like_count: Math.max(0, like_count - hidden.likes),
    comment_count: Math.max(0, comment_count - hidden.comments),
    is_liked,
    is_saved,
  };
}

function buildsOf(builds: Builds): string {
  return ['posts', 'accounts', 'media'].map((name) => builds.id(name)).join('/');
}
