import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashtagsOf, normaliseHashtag, overlongHashtagsOf } from './hashtag.ts';

describe('hashtagsOf', () => {
  // What twitter-text's published rules say of each kind, in examples of our own.
  it.each<[what: string, caption: string, tags: string[]]>([
    [
      'any script, once each, in order of appearance',
      '#Sunset over #zürich, again #SUNSET and #写真 #a_b2',
      ['sunset', 'zürich', '写真', 'a_b2'],
    ],
    ['the wide sign', '＃photo', ['photo']],
    ['digits with a letter, wherever it stands', '#2026ok #ok2026 #٠١ب', ['2026ok', 'ok2026', '٠١ب']],
    ['no digits, underscores or signs alone', 'we are #1 #2026 #_ # #! #⅔', []],
    [
      'what follows a bracket, a quote or a stop',
      '(#one)#two!#three "#four" and/#five',
      ['one', 'two', 'three', 'four', 'five'],
    ],
    ['nothing within a word of any script', 'C#sharp 日本語#タグ é#x _#y', []],
    ['nothing within an entity', '&#39;x &#x27;', []],
    ['the part before an apostrophe, a hyphen or a stop', "#ann's #black-white #sea.", ['ann', 'black', 'sea']],
    ['no tag that another one follows at once', '#one#two', []],
    ['the second of two signs', '##sea', ['sea']],
    ['vowel signs and tone marks', '#हिन्दी #ไทยนี้', ['हिन्दी', 'ไทยนี้']],
    ['joiners within a word', '#می\u200cخواهم #क्\u200dष', ['می\u200cخواهم', 'क्\u200dष']],
    ['no joiner at its edge, where nobody sees it', '#love\u200d #\u200clove', ['love']],
    ['middle dots', '#il·lusió #ロンドン・パリ', ['il·lusió', 'ロンドン・パリ']],
    [
      'Hebrew and Tibetan punctuation, wave dashes, repeats',
      '#צה״ל #བོད་ཡིག #あ〜い #佐〃',
      ['צה״ל', 'བོད་ཡིག', 'あ〜い', '佐〃'],
    ],
    [
      'what follows an emoji, with its selector, skin or frame',
      'I ❤️#love 👍🏽#skin 🇩🇪#flag 3️⃣#three ☺︎#text',
      ['love', 'skin', 'flag', 'three', 'text'],
    ],
    ['no sign that is a keycap itself', '#️⃣keytext #⃣key', []],
    ['no digit in a frame', '#1️⃣', []],
    ['the word before an emoji', '#love❤️ #sea🌊#sun', ['love', 'sea', 'sun']],
  ])('takes %s', (_what, caption, tags) => {
    expect(hashtagsOf(caption)).toEqual(tags.map((tag) => tag.normalize('NFC')));
  });

  it.each([
    'https://example.com/wiki/FAQ_(x)#History',
    'https://example.com/a?x=#frag',
    'https://example.com/#top',
    'http://example.com#top',
    'HTTPS://EXAMPLE.COM/A,#b',
    'example.com/#frag',
    'www.example.co.uk:8080/a/b.html#c',
    'https://bücher.example/ü?q=(a)#b',
    'https://ja.example/wiki/日本_(国)#歴史',
    'https://пример.example/путь/#раздел',
    '#https://example.com/x',
    '#tag://example.com',
    'https://example.com/a_((b)c)#d',
  ])('takes none of %s', (address) => {
    expect(hashtagsOf(`see ${address} now`)).toEqual([]);
    expect(hashtagsOf(`${address} #sea`)).toEqual(['sea']);
  });

  it.each([
    ['(https://example.com/x)#sea', ['sea']],
    ['https://example.com/x、#海', ['海']],
    ['https://example.com/x #sea', ['sea']],
    ['ann@example.com #sea', ['sea']],
    ['one.#two', ['two']],
    ['https://example.com/x「#海」', ['海']],
  ])('goes on behind an address: %s', (caption, tags) => {
    expect(hashtagsOf(caption)).toEqual(tags);
  });

  it('gives two spellings of one tag the same one', () => {
    expect(hashtagsOf('#cafe\u0301 #caf\u00e9 #ＣＡＦＥ\u0301')).toEqual(['caf\u00e9']);
    expect(hashtagsOf('#ﾊﾟﾘ #パリ')).toEqual(['パリ']);
    expect(normaliseHashtag('#Caf\u00c9')).toBe('caf\u00e9');
    expect(normaliseHashtag('＃Sea')).toBe('sea');
  });

  it('leaves a tag apart that is longer than 100 characters, and never cuts it', () => {
    const [longest, overlong] = ['y'.repeat(100), 'z'.repeat(101)];
    expect([hashtagsOf(`#${longest} #${overlong}`), overlongHashtagsOf(`#${longest} #${overlong}`)]).toEqual([
      [longest],
      [overlong],
    ]);
    expect(hashtagsOf(`#${'𠮷'.repeat(100)}`)).toHaveLength(1);
  });

  it('finds every tag by the address that its own spelling has', () => {
    const caption = fc
      .array(
        fc.constantFrom(
          '#',
          '＃',
          'a',
          'É',
          'e\u0301',
          '·',
          '・',
          '\u200c',
          '\u200d',
          '\ufe0f',
          '\u20e3',
          '1',
          '_',
          '～',
          '゛',
          'ﷺ',
          'ｱ',
          ' ',
          'https://',
          'x.io/',
          '(',
          ')',
        ),
        { maxLength: 30 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(caption, (text) => {
        for (const tag of hashtagsOf(text)) {
          expect(normaliseHashtag(`#${tag}`)).toBe(tag);
          expect(hashtagsOf(`#${tag}`)).toEqual([tag]);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
