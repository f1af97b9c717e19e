import { LIMITS } from './limits.ts';

// What a hashtag is made of are the rules that twitter-text publishes: letters, marks and digits of any script, and
// what some scripts write within words: joiners, middle dots, Hebrew points, Tibetan dots, Japanese wave dashes and
// repeats.
const WITHIN = String.raw`\u200d\u200c\p{L}\p{M}\p{Nd}_\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7`;
/**
 * A sign that begins a word: not within a word, an entity (`&#39;`) or a keycap (`#️⃣`). The selector at the end of an
 * emoji and the frame of a keycap are marks to Unicode, but end no word. What goes on with another sign, or as an
 * address, is none.
 */
const TAG = new RegExp(
  String.raw`(?<=[\ufe0e\ufe0f\u20e3]|(?<![${WITHIN}&]))[#\uff03](?![\ufe0f\u20e3])([${WITHIN}]+)(?![${WITHIN}]|[#\uff03]|://)`,
  'gu',
);
const HAS_LETTER = /\p{L}/u;

const TAIL = String.raw`[\p{L}\p{M}\p{N}!*';:=+,.$/%#\[\]\-\u2013_~@|&?]`;
const IN_PARENTHESES = String.raw`\((?:${TAIL}|\(${TAIL}*\))*\)`;
const HOST = String.raw`(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}_-]*)\.)+\p{L}[\p{L}\p{M}\p{N}-]+`;
/**
 * An address of the web, with its scheme or without. Parentheses belong to it in pairs, so that one around it does not.
 */
const ADDRESS = new RegExp(
  String.raw`(?<![\p{L}\p{M}\p{N}@#\uff03$._/-])(?:https?://)?${HOST}(?::\d+)?[/?#](?:${TAIL}|${IN_PARENTHESES})*`,
  'giu',
);

/** One spelling for a hashtag however it was typed: composed, widths folded, lower case, without the leading sign. */
export function normaliseHashtag(text: string): string {
  const typed = text
    .normalize('NFC')
    .replace(/^[#\uff03]/, '')
    .replace(/[\p{Variation_Selector}\u20e3]/gu, '')
    .replace(EDGES, '');
  return [...typed].map(folded).join('').toLowerCase().normalize('NFC');
}

// Joiners shape what they stand between; at an edge they would make another tag that looks the same.
const EDGES = /^[\u200c\u200d]+|[\u200c\u200d]+$/g;
const ALL_WITHIN = new RegExp(`^[${WITHIN}]+$`, 'u');

// Some characters fold into a blank and a mark, or into words: they stay as they are.
function folded(character: string): string {
  const compatible = character.normalize('NFKC');
  return ALL_WITHIN.test(compatible) ? compatible : character;
}

/**
 * The distinct hashtags of a caption in order of appearance, normalised. A number alone (`#1`) is none, nor is one that
 * is too long.
 */
export function hashtagsOf(caption: string): string[] {
  return wordsWithSign(caption).filter((tag) => !isTooLong(tag));
}

/** The hashtags of a caption that are longer than a hashtag may be. */
export function overlongHashtagsOf(caption: string): string[] {
  return wordsWithSign(caption).filter(isTooLong);
}

function isTooLong(tag: string): boolean {
  return tag.length > LIMITS.hashtag && [...tag].length > LIMITS.hashtag;
}

function wordsWithSign(caption: string): string[] {
  const text = caption.normalize('NFC');
  const addresses = [...text.matchAll(ADDRESS)].map(({ index, 0: address }) => ({
    from: index,
    to: index + address.length,
  }));
  const found = [...text.matchAll(TAG)].filter(
    ({ index }) => !addresses.some(({ from, to }) => from <= index && index < to),
  );
  const tags = found.map((match) => normaliseHashtag(match[1] ?? ''));
  return [...new Set(tags)].filter((tag) => HAS_LETTER.test(tag));
}
