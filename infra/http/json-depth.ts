/** No body of the contract nests deeper than a handful of levels. */
export const JSON_DEPTH_AT_MOST = 32;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
/** What a byte outside texts adds to the depth: brackets and braces. */
const STEPS: ReadonlyMap<number, number> = new Map([
  [0x5b, 1],
  [0x7b, 1],
  [0x5d, -1],
  [0x7d, -1],
]);

/**
 * Whether JSON text in UTF-8 nests deeper than `limit`, told without parsing: parsers and whoever walks what they give
 * recurse, and a few kilobytes of brackets overflow the stack. Of text that is no JSON it may say anything.
 */
export function nestsDeeper(json: Uint8Array, limit = JSON_DEPTH_AT_MOST): boolean {
  let depth = 0;
  let quoted = false;
  let escaped = false;
  for (const byte of json) {
    if (byte === QUOTE && !escaped) quoted = !quoted;
    if (!quoted) depth += STEPS.get(byte) ?? 0;
    escaped = quoted && byte === BACKSLASH && !escaped;
    if (depth > limit) return true;
  }
  return false;
}
