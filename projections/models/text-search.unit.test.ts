import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containing, searchable, startingWith } from './text-search.ts';

describe('searchable', () => {
  it('folds case, accents, widths and blanks', () => {
    expect(searchable('  Zoé   MÜLLER ｆｕｌｌ ')).toBe('zoe muller full');
  });

  it.each([
    ['Rafał', 'rafal'],
    ['Øyvind', 'oyvind'],
    ['Groß', 'gross'],
    ['GROẞ', 'gross'],
    ['Işıl', 'isil'],
    ['İpek', 'ipek'],
    ['Ægir', 'aegir'],
    ['Œuvre', 'oeuvre'],
    ['Đorđe', 'dorde'],
    ['Þór', 'thor'],
    ['Guðrún', 'gudrun'],
    ['Ħal', 'hal'],
    ['O’Brien', 'obrien'],
    ["O'Brien", 'obrien'],
    ['O´Brien', 'obrien'],
    ['Hawaiʻi', 'hawaii'],
    ['Nguyễn', 'nguyen'],
    ['il·lusió', 'illusio'],
    ['ロンドン・パリ', 'ロントンハリ'],
    ['Жёлтый', 'желтыи'],
    ['ﬁn', 'fin'],
    ['A\u200bnn', 'ann'],
  ])('finds %s by %s', (text, found) => {
    expect(searchable(text)).toBe(found);
  });

  it('folds every Latin letter into basic ones, or into nothing', () => {
    const letters = Array.from({ length: 0x10000 }, (_, code) => code)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code))
      .filter((letter) => /[^\P{Script=Latin}\P{L}]/u.test(letter));
    expect(letters.length).toBeGreaterThan(1_200);
    expect(letters.filter((letter) => !/^[ -~]*$/.test(searchable(letter)))).toEqual([]);
  });

  it('gives what it gave, and no more than an index takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        expect(searchable(searchable(text))).toBe(searchable(text));
      }),
    );
    expect(searchable('\ufdfa'.repeat(100)).length).toBe(300);
  });
});

describe('patterns', () => {
  it('take wildcards of the text literally', () => {
    expect(containing('50%_\\')).toBe('%50\\%\\_\\\\%');
    expect(startingWith('a')).toBe('a%');
  });
});
