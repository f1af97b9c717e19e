// What the characters of a text do, by properties of Unicode (UTS 39, UAX 9, UAX 29 and RFC 8264).

/**
 * Seen as nothing, or as a space, in every font; the few behind the properties are blanks that Unicode counts as
 * symbols or letters.
 */
const UNSEEN =
  /[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb\u{13441}\u{13442}\u{1d159}]+/gu;

/** True of a text that shows nothing: empty, or made of blanks and of characters that nobody sees. */
export function isBlank(text: string): boolean {
  return text.replace(UNSEEN, '') === '';
}

/** How many characters a reader counts (grapheme clusters): an emoji is one, however many code points it is made of. */
export function lengthOf(text: string): number {
  return [...graphemes.segment(text)].length;
}
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Canonically composed, with line ends as they are in Unix. */
export function composed(text: string): string {
  return text.replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n').normalize('NFC');
}

const EMBEDDING = /[\u202a-\u202e]/g;
const ISOLATE = /[\u2066-\u2069]/g;

/**
 * Without what turns the direction of writing for whatever stands around: embeddings and overrides go, which Unicode
 * itself advises against, and isolates that are not closed on their line. Marks, and isolates that are closed, belong
 * to texts that mix directions and stay.
 */
export function withoutStrayDirections(text: string): string {
  const kept = text.replace(EMBEDDING, '');
  return kept
    .split('\n')
    .map((line) => (closesIsolates(line) ? line : line.replace(ISOLATE, '')))
    .join('\n');
}

function closesIsolates(line: string): boolean {
  let open = 0;
  for (const [character] of line.matchAll(ISOLATE)) {
    open += character === '\u2069' ? -1 : 1;
    if (open < 0) return false;
  }
  return open === 0;
}

const FLAG = /\u{1f3f4}[\u{e0020}-\u{e007e}]{1,32}\u{e007f}/u.source;
const TAGS = new RegExp(`(${FLAG})|[\\u{e0000}-\\u{e007f}]`, 'gu');

/** Without tag characters, which spell out hidden text, but for those that make the flag of a region. */
export function withoutHiddenTags(text: string): string {
  return text.replace(TAGS, '$1');
}

/** True of a text with control characters other than those of blanks between words and lines. */
export function hasControls(text: string): boolean {
  return /[^\P{Cc}\n\t]/u.test(text);
}

/** True of a text that piles up more marks on a letter than any language does (UAX 15 takes 30 for the most). */
export function pilesUpMarks(text: string): boolean {
  return /\p{M}{31}/u.test(text);
}

const JOINED_SCRIPTS = [
  'Arabic',
  'Syriac',
  'Mongolian',
  'Nko',
  'Devanagari',
  'Bengali',
  'Gurmukhi',
  'Gujarati',
  'Oriya',
  'Tamil',
  'Telugu',
  'Kannada',
  'Malayalam',
  'Sinhala',
  'Khmer',
  'Myanmar',
  'Tibetan',
  'Thaana',
]
  .map((script) => `\\p{Script=${script}}`)
  .join('');

/**
 * Where an invisible character shapes what stands beside it: joiners within words of some scripts, and within emoji.
 */
const SHAPING = new RegExp(
  [
    FLAG,
    `(?<=[${JOINED_SCRIPTS}])[\\u200c\\u200d](?=[${JOINED_SCRIPTS}])`,
    '(?<=[\\p{Extended_Pictographic}\\ufe0f\\u{1f3fb}-\\u{1f3ff}])\\u200d(?=\\p{Extended_Pictographic})',
    '(?<=\\p{Extended_Pictographic})[\\ufe0e\\ufe0f]',
    '(?<=[0-9#*])\\ufe0f(?=\\u20e3)',
    '(?<=\\p{Script=Han})[\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}]',
    '(?<=\\p{Script=Mongolian})[\\u180b-\\u180d\\u180f]',
  ].join('|'),
  'gu',
);

/**
 * True of a text with characters that nobody sees, where they shape nothing: two names that look alike could differ in
 * them.
 */
export function hidesCharacters(text: string): boolean {
  return /[\p{Default_Ignorable_Code_Point}\p{Cc}\u2800\ufff9-\ufffb\u{13441}\u{13442}\u{1d159}]/u.test(
    text.replace(SHAPING, ''),
  );
}

/** True of a text with code points that have no meaning that all share. */
export function hasPrivateCharacters(text: string): boolean {
  return /[\p{Co}\p{Noncharacter_Code_Point}]/u.test(text);
}
