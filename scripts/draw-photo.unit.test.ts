import sharp from 'sharp';
import { expect, test } from 'vitest';
import { drawPhoto } from './draw-photo.ts';

const small = { width: 160, height: 120 };

test('draws the same photo from the same seed', async () => {
  expect((await drawPhoto(5, small)).equals(await drawPhoto(5, small))).toBe(true);
});

test('draws other photos from other seeds', async () => {
  const photos = await Promise.all(Array.from({ length: 16 }, (_, seed) => drawPhoto(seed, small)));
  expect(new Set(photos.map((photo) => photo.toString('base64'))).size).toBe(16);
});

test('draws a JPEG of the asked size', async () => {
  expect(await sharp(await drawPhoto(-3, small)).metadata()).toMatchObject({ format: 'jpeg', ...small });
});
