const TAG = /(?<![\p{L}\p{M}\p{N}_&/])#([\p{L}\p{M}\p{N}_]{1,100})/gu;
const HAS_LETTER = /\p{L}/u;

/** One spelling for a hashtag however it was typed: composed, lower case, without the leading `#`. */
export function normaliseHashtag(text: string): string {
  return text.replace(/^#/, '').normalize('NFKC').toLowerCase();
}

/** The distinct hashtags of a caption in order of appearance, normalised. A number alone (`#1`) is no hashtag. */
export function hashtagsOf(caption: string): string[] {
  const tags = [...caption.normalize('NFKC').matchAll(TAG)].map((match) => normaliseHashtag(match[1] ?? ''));
  return [...new Set(tags)].filter((tag) => HAS_LETTER.test(tag));
}
