import { readFile } from 'node:fs/promises';
import { encode } from 'blurhash';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { z } from 'zod';

/**
 * A process that makes the variants by bare sharp, as somebody would write it down first; `bench/media.ts` times it.
 */
const request = z.object({ path: z.string(), way: z.enum(['one decode', 'a decode each']) });

/** Edge and crop of the five sizes, written here again so that the baseline owes the product nothing. */
const SIZES = [
  [150, true],
  [320, false],
  [640, false],
  [1080, false],
  [2048, false],
] as const;

if (import.meta.main) {
  sharp.concurrency(1);
  sharp.cache(false);
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => {
    const { path, way } = request.parse(message);
    void make(path, way).then((bytes) => process.send?.(bytes));
  });
  process.send?.('ready');
}

async function make(path: string, way: z.infer<typeof request>['way']): Promise<number> {
  const bytes = await readFile(path);
  const source = way === 'one decode' ? await decoded(bytes) : () => sharp(bytes).autoOrient();
  let written = 0;
  for (const [edge, crop] of SIZES) {
    const variant = source().resize({
      width: edge,
      height: edge,
      fit: crop ? 'cover' : 'inside',
      withoutEnlargement: !crop,
      kernel: 'cubic',
    });
    written += (await variant.webp({ quality: 80, effort: 0 }).toBuffer()).length;
  }
  const small = await source()
    .resize({ width: 32, height: 32, fit: 'inside' })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return written + encode(new Uint8ClampedArray(small.data), small.info.width, small.info.height, 4, 3).length;
}

async function decoded(bytes: Buffer): Promise<() => Sharp> {
  const { data, info } = await sharp(bytes)
    .autoOrient()
    .resize({ width: 2048, height: 2048, fit: 'inside', withoutEnlargement: true, kernel: 'cubic' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
}
