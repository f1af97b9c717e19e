import { createHash } from 'node:crypto';

/** A place as a post names it; degrees. */
export type Place = { readonly name: string; readonly lat: number; readonly lng: number };

/**
 * The id of a place: the same for everybody who names the same spot (about 100 m) alike, whatever case or accents they
 * use. There is no register of places, so the id is made from what is known.
 */
export function locationIdOf({ name, lat, lng }: Place): string {
  const spot = [lat, lng].map((degrees) => (Math.round(degrees * 1_000) / 1_000 || 0).toFixed(3));
  return `loc_${createHash('sha256')
    .update([...spot, spellingOf(name)].join('\n'))
    .digest('hex')
    .slice(0, 26)}`;
}

// Ids of places stand in addresses that clients keep: unlike what searches compare, this never changes.
function spellingOf(name: string): string {
  return name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim();
}
