import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { SCENES, seededChance } from './photo-scenes.ts';
import type { Chance } from './photo-scenes.ts';

export interface PhotoSize {
  readonly width: number;
  readonly height: number;
}

/** The shapes that people post: landscape, portrait, square, wide. */
const SHAPES: readonly PhotoSize[] = [
  { width: 1600, height: 1200 },
  { width: 1200, height: 1500 },
  { width: 1400, height: 1400 },
  { width: 1920, height: 1080 },
];

/**
 * Draws a landscape, a skyline or lights with the grain of a camera, as a JPEG.
 * The same seed and size give the same picture; neighbouring seeds give other scenes.
 */
export async function drawPhoto(seed: number, size?: PhotoSize): Promise<Buffer> {
  const chance = seededChance(seed * 7919 + 17);
  const { width, height } = size ?? SHAPES[Math.floor(chance() * SHAPES.length)] ?? { width: 1600, height: 1200 };
  const scene = SCENES[Math.abs(Math.trunc(seed)) % SCENES.length] ?? SCENES[0];
  const drawing = scene?.({ width, height, chance }) ?? '';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}">${drawing}</svg>`;
  const tile = Math.min(256, width, height);
  return sharp(Buffer.from(svg))
    .flatten({ background: '#000' })
    .composite([
      { input: grain(chance, tile), raw: { width: tile, height: tile, channels: 4 }, tile: true, blend: 'over' },
    ])
    .jpeg({ quality: 88 })
    .toBuffer();
}

/** Grey noise of little weight: without it a drawing compresses as no photo does. */
function grain(chance: Chance, side: number): Buffer {
  const pixels = Buffer.alloc(side * side * 4);
  for (let at = 0; at < pixels.length; at += 4) {
    pixels.fill(chance() < 0.5 ? 0 : 255, at, at + 3);
    pixels[at + 3] = Math.floor(chance() ** 2 * 22);
  }
  return pixels;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { width: { type: 'string' }, height: { type: 'string' } },
  });
  const [seed, file] = positionals;
  if (seed === undefined || file === undefined || !Number.isInteger(Number(seed))) {
    console.error('usage: node scripts/draw-photo.ts SEED FILE.jpg [--width PIXELS --height PIXELS]');
    process.exitCode = 2;
  } else {
    const size =
      values.width && values.height ? { width: Number(values.width), height: Number(values.height) } : undefined;
    await writeFile(file, await drawPhoto(Number(seed), size));
  }
}
