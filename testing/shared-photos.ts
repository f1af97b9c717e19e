import { existsSync, readFileSync, readdirSync } from 'node:fs';

const FOLDER = new URL('../../shared/data/photos/', import.meta.url);

/** A photo of the shared test data. */
export interface SharedPhoto {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * The photos of one folder of the shared test data (`orientation`, `camera` or `broken`), which is no part of this
 * repository. Without it the answer is an empty list and a line that says so, and the caller skips: no clone is
 * expected to have it.
 */
export function sharedPhotos(folder: 'orientation' | 'camera' | 'broken'): SharedPhoto[] {
  const place = new URL(`${folder}/`, FOLDER);
  if (existsSync(place)) {
    return readdirSync(place)
      .sort()
      .map((name) => ({ name, bytes: readFileSync(new URL(name, place)) }));
  }
  console.log(`skipped: no shared photos in ../shared/data/photos/${folder}`);
  return [];
}

/** Whether the long tier was asked for with LONG_TESTS=1. */
export function longTestsWanted(): boolean {
  return process.env['LONG_TESTS'] === '1';
}
