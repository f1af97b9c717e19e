/** A regular expression that .NET refuses, or that has no exact counterpart here. The message is for the client. */
export class UnsupportedPatternError extends Error {
  override readonly name = 'UnsupportedPatternError';
}

const CONTROL = new Map([
  ['a', 0x07],
  ['e', 0x1b],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['v', 0x0b],
]);
const MOST_OCTAL_DIGITS = 3;

/** Goes through a .NET regular expression, code unit by code unit. */
export class PatternScanner {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  get atEnd(): boolean {
    return this.#at >= this.#pattern.length;
  }

  /** The character that many places ahead; empty behind the end. */
  peek(ahead = 0): string {
    return this.#pattern[this.#at + ahead] ?? '';
  }

  /** Takes the next character; empty at the end. */
  take(): string {
    const next = this.peek();
    this.#at += next.length;
    return next;
  }

  /** Takes what the sticky expression matches here. */
  match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#pattern);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }

  /** Ends the translation with a sentence that says where and why. */
  refuse(reason: string): never {
    throw new UnsupportedPatternError(
      `The filter's regular expression is refused at character ${this.#at}: ${reason}.`,
    );
  }

  /** Takes what stands behind a backslash for one code unit. */
  escapedUnit(): number {
    if (/[0-7]/.test(this.peek())) return this.#octal();
    const letter = this.take();
    switch (letter) {
      case 'x':
        return this.#hex(2);
      case 'u':
        return this.#hex(4);
      case 'c':
        return this.#control();
      case '':
        return this.refuse('a backslash stands at the end');
      default:
        return CONTROL.get(letter) ?? this.#itself(letter);
    }
  }

  #itself(letter: string): number {
    if (/[\p{L}\p{Mn}\p{Nd}\p{Pc}]/u.test(letter)) this.refuse(`\\${letter} means nothing`);
    return letter.charCodeAt(0);
  }

  #octal(): number {
    let value = 0;
    for (let digits = 0; digits < MOST_OCTAL_DIGITS && /[0-7]/.test(this.peek()); digits++)
      value = value * 8 + Number(this.take());
    return value & 0xff;
  }

  #hex(digits: number): number {
    const text = Array.from({ length: digits }, () => this.take()).join('');
    return /^[0-9a-f]+$/i.test(text) && text.length === digits
      ? Number.parseInt(text, 16)
      : this.refuse(`${digits} hexadecimal digits are missing`);
  }

  #control(): number {
    const unit = this.take().toUpperCase().charCodeAt(0) - 0x40;
    return unit >= 0 && unit < 0x20 ? unit : this.refuse('\\c is not followed by a control character');
  }
}
