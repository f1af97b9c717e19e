/** A page of a list: at most `limit` items that come after `after`. Queries answer one more when there is one. */
export type Page<Place> = { readonly after: Place | undefined; readonly limit: number };

/** A place in a list that is ordered by time and, at the same time, by id. */
export type TimePlace = { readonly at: string; readonly id: string };

/** Where a list of newest first goes on, as two parameters: `(time, id) < ($n, $n+1)`. */
export function before(place: TimePlace | undefined): [at: string, id: string] {
  return [place?.at ?? 'infinity', place?.id ?? ''];
}

/** Where a list of oldest first goes on, as two parameters: `(time, id) > ($n, $n+1)`. */
export function behind(place: TimePlace | undefined): [at: string, id: string] {
  return [place?.at ?? '-infinity', place?.id ?? ''];
}
