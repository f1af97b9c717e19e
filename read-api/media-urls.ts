import type { z } from 'zod';
import type { MediaAddresses } from '../infra/object-store/media-addresses.ts';
import type { PostMedium } from '../projections/queries/post-cards.ts';
import type { UserCard } from '../projections/queries/user-cards.ts';
import type { Urls } from './bodies.ts';

/** To whom the addresses are given: public ones for ever, private ones signed for a while. */
export type Access = Parameters<MediaAddresses['of']>[1];

// When media are many, two sizes may be all that was made: the next larger one then stands in, else the next smaller.
const SIZES = ['thumbnail', 'small', 'medium', 'large', 'original'] as const;

/** The addresses of a medium's sizes, as far as its owner's privacy lets them be public. */
export function urlsOf(
  addresses: MediaAddresses,
  access: Access,
  { keys, playlist }: Pick<PostMedium, 'keys' | 'playlist'>,
): z.input<typeof Urls> {
  const of = (size: number) => {
    const key =
      SIZES.slice(size)
        .map((name) => keys[name])
        .find(isKey) ??
      SIZES.slice(0, size)
        .toReversed()
        .map((name) => keys[name])
        .find(isKey);
    return key === undefined ? '' : addresses.of(key, access);
  };
  const hls = playlist === null ? {} : { hls: addresses.of(playlist, access) };
  return { thumbnail: of(0), small: of(1), medium: of(2), large: of(3), original: of(4), ...hls };
}

const isKey = (key: string | undefined) => key !== undefined;

/** The squares of a profile picture; null where there is none. */
export function picturesOf(
  addresses: MediaAddresses,
  card: UserCard,
): { 150: string; 320: string; 640: string } | null {
  if (card.picture === null) return null;
  const { thumbnail, small, medium } = urlsOf(
    addresses,
    { isPrivate: card.is_private },
    { keys: card.picture, playlist: null },
  );
  const squareOr = (key: string | undefined, whole: string) =>
    key === undefined ? whole : addresses.of(key, { isPrivate: card.is_private });
  return {
    150: thumbnail,
    320: squareOr(card.picture.profile_small, small),
    640: squareOr(card.picture.profile_medium, medium),
  };
}

/** The smallest address of a profile picture; null where there is none. */
export function pictureOf(addresses: MediaAddresses, { picture, is_private }: UserCard): string | null {
  const key = picture?.thumbnail ?? picture?.small ?? picture?.large;
  return key === undefined ? null : addresses.of(key, { isPrivate: is_private });
}
