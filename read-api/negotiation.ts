// The better a format packs, the earlier it stands.
const PREFERRED = ['image/avif', 'image/webp', 'image/jpeg'];

/**
 * Picks, of the representations of one file, the best that an Accept header names; the first one when it names none of
 * them, because an image in an unexpected format still beats no image.
 */
export function negotiate<File extends { readonly content_type: string }>(
  accept: string | undefined,
  files: readonly [File, ...File[]],
): File {
  const named = namedIn(accept);
  const candidates = files
    .filter((file) => named.has(file.content_type))
    .sort((a, b) => rankOf(a.content_type) - rankOf(b.content_type));
  return candidates[0] ?? files[0];
}

/**
 * The best format that an Accept header names among those that can be made of every picture; undefined when it names
 * none.
 */
export function preferredOf(accept: string | undefined): string | undefined {
  const named = namedIn(accept);
  return PREFERRED.find((type) => named.has(type));
}

function namedIn(accept: string | undefined): Set<string | undefined> {
  return new Set(
    (accept ?? '')
      .split(',')
      .filter((range) => !/;\s*q=0(?:\.0*)?\s*$/.test(range))
      .map((range) => range.split(';')[0]?.trim().toLowerCase()),
  );
}

function rankOf(type: string): number {
  const rank = PREFERRED.indexOf(type);
  return rank < 0 ? PREFERRED.length : rank;
}
