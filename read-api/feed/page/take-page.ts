import type { PostCard } from '../../../projections/queries/post-cards.ts';
import { POSTS_OF_ONE_AUTHOR } from '../ranking/ranking.ts';
import type { Ranked } from '../cache/sessions.ts';
import type { Hydrate } from './visible-posts.ts';

/** A page out of an ordered list: what it shows, the places that are done with, and whether there is more to show. */
export type TakenPage = {
  readonly cards: readonly PostCard[];
  readonly taken: ReadonlySet<number>;
  readonly more: boolean;
};

export type PageRequest = {
  readonly list: readonly Ranked[];
  /** Places that earlier pages showed, or found gone. */
  readonly taken: ReadonlySet<number>;
  readonly limit: number;
  /** At most three posts of one author may stand on the page, as long as others before this place can fill it. */
  readonly spreadUntil: number;
};

type Shown = { readonly place: number; readonly card: PostCard };

/** So many more than are needed are looked up at once, because some may be gone. */
const SPARE = 3;

/**
 * Takes the next page: full whenever the list has enough that the viewer may see, however much of it has vanished. One
 * post more than the page holds is looked for, so that the last page says that it is the last.
 */
export async function takePage(hydrate: Hydrate, { list, taken, limit, spreadUntil }: PageRequest): Promise<TakenPage> {
  const gone = new Set<number>();
  const shown: Shown[] = [];
  const held: Shown[] = [];
  const byAuthor = new Map<string, number>();
  const waiting = list.keys().filter((place) => !taken.has(place));
  const isFull = (next: number) => shown.length + held.length > limit && (shown.length >= limit || next >= spreadUntil);
  // Each look is twice as long as the one before, so that a list of which little is left is read to its end in a few.
  for (let look = limit + 1 + SPARE, next = 0; !isFull(next); look *= 2) {
    const places = [...upTo(look, waiting)];
    const last = places.at(-1);
    if (last === undefined) break;
    next = last + 1;
    const cards = await cardsAt(hydrate, list, places);
    for (const place of places) {
      const card = cards.get(place);
      if (card === undefined) {
        gone.add(place);
        continue;
      }
      const count = byAuthor.get(card.author.account_id) ?? 0;
      byAuthor.set(card.author.account_id, count + 1);
      (spreadUntil > 0 && count >= POSTS_OF_ONE_AUTHOR ? held : shown).push({ place, card });
    }
  }
  const page = [...shown, ...held].slice(0, limit);
  return {
    cards: page.map(({ card }) => card),
    taken: new Set([...taken, ...gone, ...page.map(({ place }) => place)]),
    more: shown.length + held.length > limit,
  };
}

function* upTo<T>(count: number, values: Iterator<T, undefined>): Generator<T> {
  for (let taken = 0; taken < count; taken += 1) {
    const { done, value } = values.next();
    if (done === true) return;
    yield value;
  }
}

async function cardsAt(
  hydrate: Hydrate,
  list: readonly Ranked[],
  places: readonly number[],
): Promise<Map<number, PostCard>> {
  const placeOf = new Map<string, number>();
  const items = places.flatMap((place) => {
    const item = list[place];
    if (item !== undefined) placeOf.set(item.id, place);
    return item ?? [];
  });
  return new Map(
    (await hydrate(items)).flatMap((card) => {
      const place = placeOf.get(card.post_id);
      return place === undefined ? [] : [[place, card] as const];
    }),
  );
}
