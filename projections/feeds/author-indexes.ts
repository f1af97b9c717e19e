import { FEED } from '../../domain/limits.ts';
import { entriesNow, everPulled } from './fan-out-queries.ts';
import type { FanOutWork } from './fan-out-work.ts';
import { fillAbsent } from './computed-index.ts';
import { authorIndexesByDefinition, authorIndexFrom, type EntryKind } from './feed-definition.ts';
import type { DefinedIndexes } from './index-check.ts';
import { keysOf } from '../lane-keys.ts';
import type { LaneContext, LaneGroup } from '../lane-projection.ts';

/** Indexes of authors' own newest entries; `keys` is their word in Redis keys. */
export type AuthorIndexes = { readonly kind: EntryKind; readonly keys: string };

/** What the indexes must hold, for `differences` and for building them. */
export function definedAuthorIndexes({ kind, keys }: AuthorIndexes): DefinedIndexes {
  return {
    keys,
    entries: kind.authorEntries,
    define: ({ read }, authors, now) => authorIndexesByDefinition(read, kind, authors, now),
    expiredAt: (now) => authorIndexFrom(kind, now).getTime(),
  };
}

/**
 * Keeps the indexes of authors who are or were celebrities in line with the models. The index of an author who has just
 * become one is computed ahead of the readers; for others it appears with the first reader. It outlives the status by
 * its lifetime after the last read, so that no reader looks for posts where they are no longer or not yet.
 */
export async function indexAuthors(
  context: LaneContext,
  lanes: LaneGroup,
  own: AuthorIndexes,
  work: FanOutWork,
): Promise<void> {
  const { kind, keys } = own;
  const keyOf = keysOf(context.prefix, keys);
  const since = authorIndexFrom(kind, context.now()).getTime();
  const pulled = await everPulled(context.read, [...new Set(work.entries.values())]);
  const entries = await entriesNow(
    context.read,
    kind,
    [...work.entries].flatMap(([id, author]) => (pulled.has(author) ? id : [])),
  );
  const changes = [...Map.groupBy(entries, ({ author }) => author)].map(([author, changed]) => ({
    keys: [keyOf(author)],
    add: changed.flatMap(({ id, shown, score }) =>
      shown && score !== undefined && score > since ? [{ id, score }] : [],
    ),
    remove: changed.filter(({ shown }) => !shown).map(({ id }) => id),
  }));
  await context.indexes.apply(lanes.writers, { entries: kind.authorEntries, slack: FEED.slack }, changes);
  await context.indexes.discard(lanes.writers, [...work.gone].map(keyOf));
  const celebrities = [...work.authors]
    .filter((author) => !work.gone.has(author))
    .map((id) => ({ id, key: keyOf(id) }));
  await fillAbsent(context.indexes, celebrities, {
    limit: kind.authorEntries,
    compute: (ids) => authorIndexesByDefinition(context.read, kind, ids, context.now()),
  });
}
