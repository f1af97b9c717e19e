import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { translateDotNetRegex } from './dotnet-regex.ts';

/** The answers of `Regex.IsMatch` of .NET. */
const matches = (pattern: string, text: string): boolean => translateDotNetRegex(pattern).test(text);
const escaped = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;

describe('a .NET expression', () => {
  it.each<[string, string[], string[]]>([
    // What JavaScript has under another name or not at all.
    ['^\\p{L}+$', ['straße', 'Ω', 'ひ'], ['a1', '', '🙂']],
    ['^\\P{L}+$', ['12', '🙂'], ['1a']],
    ['^\\p{Lu}\\p{Ll}\\p{Nd}\\p{Pc}$', ['Éé٣_'], ['ee1_', 'EE1_']],
    ['\\Aab\\z', ['ab'], ['ab\n', 'xab', '\nab']],
    ['ab\\Z', ['ab', 'ab\n', 'xab'], ['ab\n\n', 'abc']],
    ['ab$', ['ab', 'ab\n'], ['ab\n\n', 'ab\nc']],
    ['\\Gab', ['abc'], ['xab']],
    ['^[a-z-[aeiou]]+$', ['xyz'], ['xaz', 'XYZ', '-']],
    ['^[a-z-[d-w-[m]]]+$', ['abcxyzm'], ['n', 'd']],
    ['^[^a-[b]]$', ['c'], ['a', 'b']],
    ['^[\\w-[\\d]]+$', ['é_a'], ['a1']],
    ['^\\w+$', ['é', 'ab_1', '日本', '٣'], ['a b', 'a-b', '€']],
    ['^\\W$', ['-', '€'], ['é']],
    ['^\\d+$', ['12', '٣'], ['½', 'a']],
    ['^\\D$', ['a'], ['٣']],
    ['^\\s+$', [' \t\n\u0085\u00a0\u2003'], ['\ufeff', 'a']],
    ['^\\S$', ['\ufeff'], ['\u0085']],
    ['\\bé', ['é', 'a é'], ['aé']],
    ['a\\b', ['a', 'a-'], ['aé', 'a\u200d']],
    ['a\\Bé', ['aé'], ['a é']],
    // By code units.
    ['^.$', ['é'], ['🙂', '\n', '']],
    ['^..$', ['🙂', 'ab'], ['a']],
    ['^a.b$', ['a\rb', 'a\u2028b'], ['a\nb']],
    // Options.
    ['(?i)^abc$', ['ABC', 'aBc'], ['abd']],
    ['^a(?i)b|c$', ['aB', 'xC'], ['Ab']],
    ['^(?:(?i)a)b$', ['Ab'], ['AB']],
    ['^(?i:a)b$', ['Ab', 'ab'], ['AB']],
    ['^(?i)a(?-i)b$', ['Ab'], ['AB']],
    ['(?i)^straSSe$', ['STRASSE'], ['straße']],
    ['(?i)^é$', ['É'], ['e']],
    ['(?i)^k$', ['K', '\u212a'], []],
    ['(?i)^s$', ['S'], ['\u017f']],
    ['(?i)^i$', ['I'], ['\u0130', '\u0131']],
    ['(?i)^[a-z-[b]]$', ['A', 'Z'], ['B', 'b']],
    ['(?i)^[^a]$', ['b'], ['a', 'A']],
    ['(?i)^\\p{Lu}$', ['A', 'a', 'ǅ'], ['1']],
    ['(?s)^a.b$', ['a\nb'], ['ab']],
    ['(?m)^b$', ['a\nb\nc', 'b'], ['a\rb', 'ab']],
    ['(?m)a$', ['a\nb'], ['a\rb']],
    ['(?x) ^ a b # words\n c $', ['abc'], ['a b c']],
    ['(?x)[a b]', [' '], ['c']],
    ['^(?n:(a))b$', ['ab'], ['b']],
    ['^a(?#a comment)+$', ['aaa'], ['b']],
    // Groups.
    ['^(?>a+)b', ['aab'], ['aac']],
    ['^(?>a|ab)c$', ['ac'], ['abc']],
    ['^(?:(?>a+)b)+(?>c|cd)$', ['aabc', 'abaabc'], ['abcd', 'ab']],
    ['^(?>x(?>a+))ab$', [], ['xaab']],
    ["^(?<name>a)(?'other'b)(c)$", ['abc'], ['ab']],
    ['^a(?=b)', ['ab'], ['ac']],
    ['^(?!\\$)', ['a', ''], ['$a']],
    ['(?<=a)b', ['ab'], ['cb']],
    ['(?<!a)b', ['cb', 'b'], ['ab']],
    ['^(?=a)*b', ['b'], ['a']],
    // Quantifiers and what only looks like one.
    ['^a{2}$', ['aa'], ['a']],
    ['^a{2,}?$', ['aaa'], ['a']],
    ['^a{,2}$', ['a{,2}'], ['aa']],
    ['^a{x}{2}$', ['a{x}}'], ['a']],
    ['^x{$', ['x{'], ['x']],
    ['^[]a]+$', [']a'], ['b']],
    ['^[a-]+$', ['a-'], ['b']],
    ['^[\\--a]+$', ['-a'], ['B']],
    ['^[\\b]$', ['\b'], ['b']],
    ['^\\x41\\u00e9\\t\\e\\cA\\060\\0$', ['Aé\t\u001b\u00010\0'], ['A']],
    ['^\\$\\.\\-\\]$', ['$.-]'], ['a']],
    ['', ['', 'a'], []],
    ['a|', ['', 'b'], []],
    ['^[^\\$].*', ['photo-1'], ['$ce-photo', '']],
  ])('%s matches as it does there', (pattern, yes, no) => {
    expect(yes.filter((text) => !matches(pattern, text))).toEqual([]);
    expect(no.filter((text) => matches(pattern, text))).toEqual([]);
  });

  it.each([
    ['(', 'not closed'],
    [')', 'no opening one'],
    ['[a', 'not closed'],
    ['[]', 'not closed'],
    ['a**', 'follows a quantifier'],
    ['a++', 'follows a quantifier'],
    ['*a', 'follows nothing'],
    ['(+)', 'follows nothing'],
    ['a|?', 'follows nothing'],
    ['(?i)*', 'follows nothing'],
    ['a{3,2}', 'reverse order'],
    ['[b-a]', 'reverse order'],
    ['[a-\\d]', 'end a range'],
    ['[a-[b]c]', 'last thing'],
    ['\\y', 'means nothing'],
    ['\\_', 'means nothing'],
    ['\\', 'at the end'],
    ['\\x4', 'hexadecimal'],
    ['\\c', 'control'],
    ['\\p', 'braces'],
    ['\\p{Letter}', 'general category'],
    ['\\p{IsGreek}', 'blocks'],
    ['(?#a', 'not closed'],
    ['(a)\\1', 'references'],
    ['\\101', 'references'],
    ['(?<a>b)\\k<a>', 'references'],
    ['(?(a)b|c)', 'not supported'],
    ['(?<a-b>c)', 'not supported'],
    ['(?r)a', 'not supported'],
    ['(?<=(?>a))b', 'not supported'],
    ['[[:alpha:]]', 'POSIX'],
    ['a'.repeat(4097), 'longer than'],
  ])('%s is refused with a sentence about it', (pattern, reason) => {
    expect(() => translateDotNetRegex(pattern)).toThrow(reason);
    expect(() => translateDotNetRegex(pattern)).toThrow(expect.objectContaining({ name: 'UnsupportedPatternError' }));
  });

  const unit = fc.integer({ min: 0, max: 0xffff });
  const range = fc.tuple(unit, unit).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));

  it('of literal code units matches exactly these', () => {
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 6 }), fc.array(unit, { maxLength: 6 }), (wanted, other) => {
        const pattern = `\\A${wanted.map(escaped).join('')}\\z`;
        expect(matches(pattern, String.fromCharCode(...wanted))).toBe(true);
        expect(matches(pattern, String.fromCharCode(...other))).toBe(wanted.join() === other.join());
      }),
      { numRuns: 200 },
    );
  });

  it('of a class holds what lies in one of its ranges and not in the subtracted one', () => {
    const inside = (one: number, { from, to }: { from: number; to: number }): boolean => one >= from && one <= to;
    fc.assert(
      fc.property(fc.tuple(range, range, range), fc.boolean(), unit, ([first, second, less], isNegated, drawn) => {
        const written = ({ from, to }: { from: number; to: number }): string => `${escaped(from)}-${escaped(to)}`;
        const expression = translateDotNetRegex(
          `\\A[${isNegated ? '^' : ''}${written(first)}${written(second)}-[${written(less)}]]\\z`,
        );
        for (const one of [drawn, first.from, second.to, less.from, less.to]) {
          const member = (inside(one, first) || inside(one, second)) !== isNegated && !inside(one, less);
          expect(expression.test(String.fromCharCode(one))).toBe(member);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('of noise is translated or refused, never anything else', () => {
    const noise = fc
      .array(fc.constantFrom(...'(?<=!>:i-x)[]^$\\pP{L}{2,}*+|ab.wds'), { maxLength: 14 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(noise, (pattern) => {
        try {
          translateDotNetRegex(pattern);
        } catch (error) {
          expect(error).toMatchObject({ name: 'UnsupportedPatternError' });
          expect((error as Error).message).not.toContain('too large');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
