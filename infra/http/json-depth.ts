/** No body of the contract nests deeper than a handful of levels. */
export const JSON_DEPTH_AT_MOST = 32;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT] = [0x5b, 0x7b, 0x5d, 0x7d];

/**
 * Whether JSON text in UTF-8 nests deeper than `limit`, told without parsing: parsers and whoever walks what they give
 * recurse, and a few kilobytes of brackets overflow the stack. Of text that is no JSON it may say anything.
 */
export function nestsDeeper(json: Uint8Array, limit = JSON_DEPTH_AT_MOST): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (quoted) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}
