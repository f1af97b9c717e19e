import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { CliError } from '../context.ts';

export type Photo = {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly sha256: string;
};

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.heic': 'image/heic',
  '.heif': 'image/heic',
};
const MOST_PHOTOS = 200;

/** The photos of a folder in the order of their names, at most 200. Refuses a folder without any. */
export function readPhotos(folder: string): Photo[] {
  const names = list(folder)
    .filter((name) => extname(name).toLowerCase() in CONTENT_TYPES)
    .sort()
    .slice(0, MOST_PHOTOS);
  if (names.length === 0) throw new CliError(`${folder} holds no photo (${Object.keys(CONTENT_TYPES).join(', ')})`, 2);
  return names.map((name) => {
    const bytes = readFileSync(join(folder, name));
    return {
      name,
      contentType: CONTENT_TYPES[extname(name).toLowerCase()] ?? 'image/jpeg',
      bytes,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw new CliError(
      `cannot read the folder ${folder}: ${error instanceof Error ? error.message : String(error)}`,
      2,
    );
  }
}
