import { z } from 'zod';
import { AccountId } from '../../../domain/ids.ts';
import type { Entry } from '../../../infra/redis/sorted-index.ts';
import { authorIndexesByDefinition, feedsByDefinition, STORIES } from '../../../projections/feeds/feed-definition.ts';
import {
  FOLLOWED_CELEBRITIES_KEYS,
  followedCelebritiesByDefinition,
} from '../../../projections/feeds/followed-celebrities.ts';
import { keysOf } from '../../../projections/lane-keys.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import { storyCards, type StoryCard } from '../../../projections/queries/story-cards.ts';
import { celebrityStories, storyTray, storyTrays } from '../../../projections/feeds/story-tray.ts';
import { trayStories, type TrayStory } from '../../../projections/queries/tray-stories.ts';
import type { ViewerTaste } from '../../../projections/queries/viewer-taste.ts';
import { CursorMs, CursorScore } from '../../cursor.ts';
import type { IndexReader, ReadIndex } from '../candidates/index-reader.ts';

/** A place in a tray. */
export const TrayPlace = z.object({ unseen: z.boolean(), at: CursorMs, close: CursorScore, author: AccountId });
export type TrayPlace = z.infer<typeof TrayPlace>;

/** An author's stories in a tray, oldest first, as they are watched. */
export type TrayItem = { readonly place: TrayPlace; readonly stories: readonly StoryCard[] };

export type TrayRequest = {
  readonly read: ReadContext;
  readonly primary: ReadContext;
  readonly viewer: AccountId;
  readonly now: Date;
  readonly limit: number;
  readonly after: TrayPlace | undefined;
  readonly fresh: boolean;
};
export type TrayPage = {
  readonly items: readonly TrayItem[];
  readonly more: boolean;
  readonly from: ReadIndex['from'];
};

export type TrayDeps = {
  readonly indexes: IndexReader;
  readonly tasteOf: (read: ReadContext, viewer: AccountId, now: Date) => Promise<ViewerTaste>;
};

/**
 * A page of the viewer's tray: authors with something unseen first, then those with the newest story, then the closest.
 * Expiry, audience, blocks and mutes are asked of PostgreSQL, whatever the tray in Redis holds.
 */
export async function trayPage({ indexes, tasteOf }: TrayDeps, request: TrayRequest): Promise<TrayPage> {
  const { read, viewer, now, limit, after } = request;
  const { ids, from } = await candidates(indexes, request);
  const [stories, taste] = await Promise.all([
    trayStories(read, viewer, ids, now),
    tasteOf(read, viewer, now).catch(() => undefined),
  ]);
  const authors = [...Map.groupBy(stories, ({ author_id }) => author_id)].map(([author, own]) =>
    placeOf(author, own, taste?.authors.get(author) ?? 0),
  );
  const waiting = authors.sort(byPlace).filter((place) => after === undefined || byPlace(after, place) < 0);
  const places = waiting.slice(0, limit);
  const shown = new Set(places.map(({ author }) => author));
  const cards = await storyCards(
    read,
    viewer,
    stories.filter(({ author_id }) => shown.has(author_id)).map(({ story_id }) => story_id),
    now,
  );
  const items = places.map((place) => ({
    place,
    stories: cards
      .filter(({ author }) => author.account_id === place.author)
      .sort((a, b) => a.published_at.getTime() - b.published_at.getTime()),
  }));
  return { items: items.filter((item) => item.stories.length > 0), more: waiting.length > limit, from };
}

async function candidates(
  indexes: IndexReader,
  { primary, viewer, now, fresh }: TrayRequest,
): Promise<{ ids: string[]; from: ReadIndex['from'] }> {
  const prefix = primary.builds.prefix(storyTray.name);
  const one = async (found: Promise<Map<string, Entry[]>>) => (await found).get(viewer) ?? [];
  const [tray, followed] = await indexes.read(
    prefix,
    [
      {
        key: keysOf(prefix, storyTrays.keys)(viewer),
        limit: STORIES.feedEntries,
        compute: () => one(feedsByDefinition(primary, STORIES, [viewer], now)),
      },
      {
        key: keysOf(prefix, FOLLOWED_CELEBRITIES_KEYS)(viewer),
        limit: STORIES.feedEntries,
        compute: () => one(followedCelebritiesByDefinition(primary, [viewer])),
      },
    ],
    { fresh },
  );
  const keyOf = keysOf(prefix, celebrityStories.keys);
  const pulled = await indexes.read(
    prefix,
    (followed?.entries ?? []).map(({ id }) => ({
      key: keyOf(id),
      limit: STORIES.authorEntries,
      compute: async () => (await authorIndexesByDefinition(primary, STORIES, [id], now)).get(id) ?? [],
    })),
    { fresh },
  );
  const ids = new Set([...(tray?.entries ?? []), ...pulled.flatMap(({ entries }) => entries)].map(({ id }) => id));
  return { ids: [...ids], from: tray?.from ?? 'miss' };
}

function placeOf(author: AccountId, stories: readonly TrayStory[], close: number): TrayPlace {
  return {
    author,
    close,
    unseen: stories.some(({ is_viewed }) => !is_viewed),
    at: Math.max(...stories.map(({ published_at }) => published_at.getTime())),
  };
}

function byPlace(a: TrayPlace, b: TrayPlace): number {
  return (
    Number(b.unseen) - Number(a.unseen) ||
    b.at - a.at ||
    b.close - a.close ||
    (a.author < b.author ? -1 : a.author > b.author ? 1 : 0)
  );
}
