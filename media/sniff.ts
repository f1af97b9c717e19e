import { fileTypeFromBuffer } from 'file-type';
import { isPolyglot } from './polyglot.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';

export type ImageType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/avif' | 'image/heic';
export type VideoType = 'video/mp4' | 'video/quicktime' | 'video/webm' | 'video/matroska';

export type SniffedType =
  | { readonly ok: true; readonly kind: 'image'; readonly type: ImageType }
  | { readonly ok: true; readonly kind: 'video'; readonly type: VideoType };

/** Names that mean one of our types, on either side: as the detector says them and as clients declare them. */
const IMAGE_NAMES: Readonly<Record<string, ImageType>> = {
  'image/jpeg': 'image/jpeg',
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/png': 'image/png',
  'image/apng': 'image/png',
  'image/webp': 'image/webp',
  'image/avif': 'image/avif',
  'image/heic': 'image/heic',
  'image/heif': 'image/heic',
};
const VIDEO_NAMES: Readonly<Record<string, VideoType>> = {
  'video/mp4': 'video/mp4',
  'video/x-m4v': 'video/mp4',
  'video/quicktime': 'video/quicktime',
  'video/webm': 'video/webm',
  // What Chrome's recorder makes of H.264; the name without x- is the registered one (RFC 9559).
  'video/matroska': 'video/matroska',
  'video/x-matroska': 'video/matroska',
};

/** Bytes from the start of a file that decide its type. */
export const SNIFF_BYTES = 64 * 1024;

/** The type that a declared name stands for, null when we take no such files. */
export function knownType(name: string): ImageType | VideoType | null {
  const bare = name.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return IMAGE_NAMES[bare] ?? VIDEO_NAMES[bare] ?? null;
}

/**
 * Decides by content what a file is. `bytes` is the whole file, or its first `SNIFF_BYTES`
 * (an archive hidden at the end is found in a whole file only).
 * With `declaredType`, content of another type is refused: a name never overrules the bytes.
 */
export async function sniff(bytes: Uint8Array, declaredType?: string): Promise<SniffedType | MediaRefusal> {
  if (bytes.length === 0) return refuse('media_empty');
  const found = await detect(bytes);
  if (!found) return refuse('media_unsupported_type');
  if (declaredType !== undefined && knownType(declaredType) !== found.type) return refuse('media_type_mismatch');
  return found.kind === 'image' && isPolyglot(bytes) ? refuse('media_polyglot') : found;
}

async function detect(bytes: Uint8Array): Promise<SniffedType | null> {
  const detected = await fileTypeFromBuffer(bytes.subarray(0, SNIFF_BYTES)).catch(() => undefined);
  const name = detected?.mime ?? '';
  const image = IMAGE_NAMES[name];
  // The detector looks past leading tags; a decoder does not, so the signature must stand at the very start.
  if (image) return startsAs(image, bytes) ? { ok: true, kind: 'image', type: image } : null;
  const video = VIDEO_NAMES[name];
  return video ? { ok: true, kind: 'video', type: video } : null;
}

function startsAs(type: ImageType, bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  switch (type) {
    case 'image/jpeg':
      return start.startsWith('\xff\xd8\xff');
    case 'image/png':
      return start.startsWith('\x89PNG\r\n\x1a\n');
    case 'image/webp':
      return start.startsWith('RIFF') && start.endsWith('WEBP');
    case 'image/avif':
    case 'image/heic':
      return start.slice(4, 8) === 'ftyp';
    default:
      return type satisfies never;
  }
}
