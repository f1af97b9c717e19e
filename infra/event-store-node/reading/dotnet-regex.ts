import { lowerOf, shorthandUnits, toSource, union, unitSource, unitsOf, withLowerCaseIn } from './code-unit-set.ts';
import type { CodeUnitSet } from './code-unit-set.ts';
import { scanClass, shorthandSet } from './dotnet-char-class.ts';
import { PatternScanner, UnsupportedPatternError } from './pattern-scanner.ts';

/** The options that an expression may switch on and off inside itself. */
interface InlineOptions {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly n: boolean;
  readonly x: boolean;
}

const NO_OPTIONS: InlineOptions = { i: false, m: false, s: false, n: false, x: false };
const LONGEST_PATTERN = 4096;
const MOST_REPEATS = 2 ** 31 - 1;
const QUANTIFIER = /[*+?]|\{(\d+)(?:,(\d*))?\}/y;
const ZERO_WIDTH_JOINERS = [0x200c, 0x200d];
const START = '^';
const END = '$';

/**
 * The JavaScript expression that matches exactly what the .NET expression `pattern` does, as `Regex.IsMatch` of .NET 6
 * says it with no option set: by code units, with Unicode's idea of letters, digits and space. Throws
 * UnsupportedPatternError, with a message for the client, where .NET refuses the pattern or no exact counterpart is
 * known here.
 */
export function translateDotNetRegex(pattern: string): RegExp {
  if (pattern.length > LONGEST_PATTERN)
    throw new UnsupportedPatternError(`The filter's regular expression is longer than ${LONGEST_PATTERN} characters.`);
  const source = new Translation(pattern).whole();
  try {
    return new RegExp(source);
  } catch {
    throw new UnsupportedPatternError("The filter's regular expression is too large.");
  }
}

class Translation {
  readonly #scanner: PatternScanner;
  #options = NO_OPTIONS;
  /** Groups of the result that capture: they stand for atomic groups alone. */
  #captures = 0;
  #lookbehinds = 0;

  constructor(pattern: string) {
    this.#scanner = new PatternScanner(pattern);
  }

  whole(): string {
    const source = this.#alternatives();
    return this.#scanner.atEnd ? source : this.#scanner.refuse('a closing parenthesis has no opening one');
  }

  /** Everything up to the end of the group; options that are set in it end with it. */
  #alternatives(): string {
    const outside = this.#options;
    let source = '';
    for (this.#skipBlank(); !this.#scanner.atEnd && this.#scanner.peek() !== ')'; this.#skipBlank()) {
      source += this.#scanner.match(/\|/y) === undefined ? this.#repeated() : '|';
    }
    this.#options = outside;
    return source;
  }

  /** Comments, and white space where it does not count. */
  #skipBlank(): void {
    const blank = this.#options.x ? /(?:[ \t\n\f\r]|#[^\n]*|\(\?#[^)]*\))+/y : /(?:\(\?#[^)]*\))+/y;
    this.#scanner.match(blank);
    if (this.#scanner.match(/\(\?#/y) !== undefined) this.#scanner.refuse('a comment is not closed');
  }

  #repeated(): string {
    if (this.#scanner.match(QUANTIFIER) !== undefined) this.#scanner.refuse('a quantifier follows nothing');
    const atom = this.#atom();
    if (atom === undefined) return '';
    this.#skipBlank();
    const quantifier = this.#quantifier();
    return quantifier === '' ? atom : `(?:${atom})${quantifier}`;
  }

  #quantifier(): string {
    const found = this.#scanner.match(QUANTIFIER);
    if (found === undefined) return '';
    const [text, least = '', most = ''] = found;
    if (Math.max(Number(least), Number(most)) > MOST_REPEATS) this.#scanner.refuse('a number of repeats is too large');
    if (most !== '' && Number(most) < Number(least))
      this.#scanner.refuse('a quantifier has its numbers in reverse order');
    this.#skipBlank();
    const lazy = this.#scanner.match(/\?/y) === undefined ? '' : '?';
    this.#skipBlank();
    if (this.#scanner.match(QUANTIFIER) !== undefined) this.#scanner.refuse('a quantifier follows a quantifier');
    return text + lazy;
  }

  /** One thing that can be repeated; undefined for options, which are none. */
  #atom(): string | undefined {
    const character = this.#scanner.take();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#oneOf(scanClass(this.#scanner, this.#options.i));
      case '\\':
        return this.#escape();
      case '.':
        return this.#options.s ? '[^]' : '[^\\n]';
      case '^':
        return this.#options.m ? '(?<![^\\n])' : START;
      case '$':
        return this.#options.m ? '(?![^\\n])' : `(?=\\n?${END})`;
      default:
        return this.#literal(character.charCodeAt(0));
    }
  }

  #oneOf(set: CodeUnitSet): string {
    return toSource(this.#options.i ? withLowerCaseIn(set) : set);
  }

  #literal(unit: number): string {
    return this.#options.i ? this.#oneOf(unitsOf(lowerOf(unit))) : unitSource(unit);
  }

  #escape(): string {
    switch (this.#scanner.peek()) {
      case 'A':
      case 'G':
        return this.#anchor(START);
      case 'z':
        return this.#anchor(END);
      case 'Z':
        return this.#anchor(`(?=\\n?${END})`);
      case 'b':
        return this.#anchor(boundary(true));
      case 'B':
        return this.#anchor(boundary(false));
      default:
        break;
    }
    if (this.#scanner.match(/[1-9]|k|<\w+>|'\w+'/y) !== undefined)
      this.#scanner.refuse('references to groups are not supported');
    const letter = this.#scanner.peek();
    if (!/[dDsSwWpP]/.test(letter)) return this.#literal(this.#scanner.escapedUnit());
    this.#scanner.take();
    return this.#oneOf(
      shorthandSet(this.#scanner, letter, this.#options.i) ?? this.#scanner.refuse(`\\${letter} means nothing`),
    );
  }

  #anchor(source: string): string {
    this.#scanner.take();
    return source;
  }

  #group(): string | undefined {
    const match = (expression: RegExp): RegExpExecArray | undefined => this.#scanner.match(expression);
    const look = match(/\?(?:=|!|<=|<!)/y)?.[0];
    if (look !== undefined) return this.#lookaround(look);
    if (match(/\?>/y) !== undefined) return this.#atomic();
    if (match(/\?(?::|<(?!0)\w+>|'(?!0)\w+')/y) !== undefined) return `(?:${this.#inside()})`;
    const inline = match(/\?([imnsx+-]*)([:)])/iy);
    if (inline !== undefined) return this.#withOptions(inline[1] ?? '', inline[2] === ':');
    if (this.#scanner.peek() === '?') this.#scanner.refuse('this kind of group is not supported');
    return `(?:${this.#inside()})`;
  }

  #inside(): string {
    const source = this.#alternatives();
    return this.#scanner.match(/\)/y) === undefined ? this.#scanner.refuse('a group is not closed') : source;
  }

  #lookaround(opening: string): string {
    const isBehind = opening.includes('<');
    this.#lookbehinds += isBehind ? 1 : 0;
    const source = `(${opening}${this.#inside()})`;
    this.#lookbehinds -= isBehind ? 1 : 0;
    return source;
  }

  /**
   * What a lookahead has captured is not tried again in another way. Backwards the two would come in the wrong order.
   */
  #atomic(): string {
    if (this.#lookbehinds > 0) this.#scanner.refuse('an atomic group inside a lookbehind is not supported');
    const number = ++this.#captures;
    return `(?:(?=(${this.#inside()}))\\${number})`;
  }

  #withOptions(text: string, forGroup: boolean): string | undefined {
    const outside = this.#options;
    let on = true;
    for (const letter of text.toLowerCase()) {
      if (letter === '+' || letter === '-') on = letter === '+';
      else this.#options = { ...this.#options, [letter]: on };
    }
    if (!forGroup) return undefined;
    const source = `(?:${this.#inside()})`;
    this.#options = outside;
    return source;
  }
}

/** Whether a word begins or ends here. The invisible joiners count as letters for that. */
function boundary(isOne: boolean): string {
  const word = toSource(union(shorthandUnits('w'), unitsOf(...ZERO_WIDTH_JOINERS)));
  return isOne
    ? `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`
    : `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
}
