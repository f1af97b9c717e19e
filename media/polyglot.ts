/** PDF readers accept their header anywhere in the first kibibyte; browsers that guess types look no further either. */
const HEAD_BYTES = 1024;

/** The longest tail in which a ZIP directory may end: its own 22 bytes and a comment of 65,535. */
const TAIL_BYTES = 22 + 65_535;

const MARKUP = /%PDF-|<svg|<html|<!doctype|<script|<\?php|<iframe/i;

/**
 * Whether a picture can also pass as a document, a page, a program or an archive.
 * Trailing data alone is no reason: phones append depth maps and clips to their JPEGs.
 */
export function isPolyglot(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD_BYTES)).toString('latin1');
  return MARKUP.test(head) || holdsArchive(bytes);
}

/** A ZIP is found from its end: a directory record whose entries really lie before it. */
function holdsArchive(bytes: Uint8Array): boolean {
  const tail = Buffer.from(
    bytes.buffer,
    bytes.byteOffset + Math.max(0, bytes.length - TAIL_BYTES),
    Math.min(bytes.length, TAIL_BYTES),
  );
  for (
    let at = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1');
    at >= 0;
    at = at === 0 ? -1 : tail.lastIndexOf('PK\x05\x06', at - 1, 'latin1')
  ) {
    if (at + 22 > tail.length) continue;
    const directoryStart = at - tail.readUInt32LE(at + 12);
    const inTail = directoryStart >= 0 && tail.toString('latin1', directoryStart, directoryStart + 4) === 'PK\x01\x02';
    // A directory that begins before the tail is too long to be chance.
    if (inTail || (directoryStart < 0 && tail.readUInt32LE(at + 12) < bytes.length && tail.readUInt16LE(at + 10) > 0))
      return true;
  }
  return false;
}
