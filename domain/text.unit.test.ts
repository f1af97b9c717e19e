import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameText, proseText, soughtText, storedText, webAddress } from './text.ts';

const family = '👨‍👩‍👧‍👦';
const kinds = [
  ['proseText', proseText(5)],
  ['nameText', nameText(5)],
  ['soughtText', soughtText(5)],
] as const;
const reasonFor = (
  schema: { safeParse: (text: string) => { error?: { issues: { message: string }[] } | undefined } },
  text: string,
) => schema.safeParse(text).error?.issues[0]?.message;

describe.each(kinds)('%s', (_kind, five) => {
  it.each([
    ['letters', 'abcde'],
    ['emoji of several code points', family.repeat(5)],
    ['letters with marks of their own', 'e\u0301'.repeat(5)],
    ['syllables', 'นี้'.repeat(5)],
  ])('takes as many characters as allowed: %s', (_what, text) => {
    expect(five.parse(text)).toBe(text.normalize('NFC'));
  });

  it.each([
    ['one too many', 'abcdef'],
    ['one emoji too many', family.repeat(6)],
    ['a zero character', 'a\u0000b'],
    ['half of a pair', 'a\ud800'],
    ['a tower of marks', `a${'\u0301\u0316'.repeat(20)}`],
    ['characters without bound', `a${'\u200d👧'.repeat(100)}`],
  ])('refuses %s', (_what, text) => {
    expect(five.safeParse(text).success).toBe(false);
  });

  it('composes, so that one letter is stored in one way', () => {
    expect(five.parse('cafe\u0301')).toBe('caf\u00e9');
  });

  it('gives back what it gave, whatever it was', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            'a',
            'e\u0301',
            ' ',
            '\n',
            '\u200b',
            '\u2800',
            '\u202e',
            '\u2066',
            '\u2069',
            family,
            '\u{e0041}',
          ),
          maxLength: 5,
        }),
        (text) => {
          const once = five.safeParse(text);
          if (once.success) expect(five.parse(once.data)).toBe(once.data);
        },
      ),
    );
  });
});

const nothing = [
  '',
  ' ',
  '\n',
  '\u00a0',
  '\u200b',
  '\u2800',
  '\u3164',
  '\u200d\u200c',
  '\ufeff',
  '\u00ad',
  '\ufe0f',
  '\u{e0041}\u{e0042}',
  ' \u200b\u2800\n\u3000',
];

describe('a text that shows nothing', () => {
  it.each(nothing)('is blank: %j', (text) => {
    expect(proseText(100).parse(text)).toBe('');
    expect(nameText(100).parse(text)).toBe('');
    expect(webAddress(100).parse(text)).toBe('');
    expect(proseText(100).min(1).safeParse(text).success).toBe(false);
    expect(soughtText(100).safeParse(text).success).toBe(false);
  });
});

describe('proseText', () => {
  const prose = (text: string) => proseText(100).parse(text);

  it('drops what turns the direction of its surroundings, and keeps what a text of two directions needs', () => {
    expect(prose('\u202egnp.exe\u202c')).toBe('gnp.exe');
    expect(prose('a \u2067שלום\u2069 b \u200f!')).toBe('a \u2067שלום\u2069 b \u200f!');
    expect(prose('\u2067open\nnext')).toBe('open\nnext');
    expect(prose('\u2069shut\u2067')).toBe('shut');
  });

  it('drops hidden text of tag characters, and keeps the flag of a region', () => {
    expect(prose('a\u{e0068}\u{e0069}b')).toBe('ab');
    expect(prose('🏴󠁧󠁢󠁳󠁣󠁴󠁿')).toBe('🏴󠁧󠁢󠁳󠁣󠁴󠁿');
  });

  it('keeps lines, with one kind of end, and joiners within words and emoji', () => {
    expect(prose('one\r\ntwo\rthree\u2028four')).toBe('one\ntwo\nthree\nfour');
    expect(prose(`می\u200cخواهم ${family}`)).toBe(`می\u200cخواهم ${family}`);
  });

  it('refuses control characters, and says so', () => {
    expect(reasonFor(proseText(100), 'a\u0007b')).toBe('must not have control characters');
    expect(reasonFor(proseText(100), 'a\u009bb')).toBe('must not have control characters');
  });
});

describe('nameText', () => {
  const name = nameText(100);

  it('makes one spelling of blanks', () => {
    expect(name.parse('  Ann\u00a0 \u3000Lee ')).toBe('Ann Lee');
  });

  it.each([
    'Zoë',
    'O’Brien',
    'नरेन्द्र',
    'می\u200cخواهم',
    'क्\u200dष',
    '写真\u{e0100}',
    `Ann ${family}`,
    '❤️ Ann',
    '1️⃣ Ann',
    '🏴󠁧󠁢󠁳󠁣󠁴󠁿 Ann',
    '👩🏽‍🚀',
    'ᠮᠣᠩᠭᠣᠯ',
  ])('takes %j', (text) => {
    expect(name.parse(text)).toBe(text.normalize('NFC'));
  });

  it.each([
    'Ann\u200b',
    'A\u200cnn',
    'A\u200dnn',
    '\u202eAnn',
    'Ann\u200f',
    'A\u2066n\u2069n',
    'Ann\u2800Lee',
    'An\u00adn',
    'An\ufe0fn',
    'Ann\u3164',
    'Ann\nLee',
    'Ann\tLee',
    'Ann\u{e0041}',
  ])('refuses %j', (text) => {
    expect(reasonFor(name, text)).toBe(
      'must not have line breaks, invisible characters or such as turn the direction of writing',
    );
  });

  it('refuses characters that look different everywhere', () => {
    expect(reasonFor(name, 'Ann \uf8ff')).toBe('must not have characters that have no meaning of their own');
  });
});

describe('webAddress', () => {
  const address = webAddress(200);

  it.each([
    'https://ann.example',
    'http://ann.example/a_(b)?c=@d#e',
    'HTTPS://bücher.example/ü',
    'https://ann.example:8443/@ann',
    '',
  ])('takes %j as it was typed', (text) => {
    expect(address.parse(text)).toBe(text);
  });

  it.each([
    ['https://ann:secret@evil.example', 'must not have a user name or password'],
    ['https://paypal.example@evil.example/x', 'must not have a user name or password'],
    ['https://@evil.example', 'must not have a user name or password'],
    ['https://ann.example\\@evil.example', 'must be an http or https address'],
    [
      'https://ann.example/\u202egnp.exe',
      'must not have invisible characters or such as turn the direction of writing',
    ],
    ['https://ann\u200b.example', 'must not have invisible characters or such as turn the direction of writing'],
    ['javascript:alert(1)', 'must be an http or https address'],
    ['https://', 'must be an http or https address'],
    ['https:///x', 'must be an http or https address'],
    ['https://a b', 'must be an http or https address'],
    ['https://ann.example:99999', 'must be an http or https address'],
  ])('refuses %j', (text, reason) => {
    expect(reasonFor(address, text)).toBe(reason);
  });
});

describe('storedText', () => {
  it('reads whatever an earlier release let through', () => {
    for (const text of ['Ann\u200b', '\u202eAnn', 'cafe\u0301', '\u2800', 'a\r\nb'])
      expect(storedText(20).parse(text)).toBe(text);
  });

  it('refuses what no store holds', () => {
    for (const text of ['a\u0000', 'a\ud800', 'x'.repeat(200)])
      expect(storedText(20).safeParse(text).success).toBe(false);
  });

  it('reads everything that the others give', () => {
    const [stored, given] = [storedText(20), [proseText(20), nameText(20), webAddress(20)]];
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        for (const schema of given) {
          const parsed = schema.safeParse(text);
          if (parsed.success) expect(stored.safeParse(parsed.data).success).toBe(true);
        }
      }),
    );
  });
});
