/** A value as JSON already; `T` says what stands there. For answers whose parts are kept as text between requests. */
export class JsonText<T> {
  readonly text: string;
  /** Never there: by it the compiler tells texts of different values apart. */
  declare readonly of?: T;
  constructor(text: string) {
    this.text = text;
  }

  /** The value, so that a text may stand inside a value that is written as JSON. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }

  /** The JSON of a value. */
  static from<T>(value: T): JsonText<T> {
    return new JsonText(JSON.stringify(value));
  }
}
