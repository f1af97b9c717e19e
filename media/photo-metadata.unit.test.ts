import sharp from 'sharp';
import type { Exif } from 'sharp';
import { describe, expect, test } from 'vitest';
import { NO_METADATA, readPhotoMetadata } from './photo-metadata.ts';

async function exifOf(exif: Exif): Promise<Buffer | undefined> {
  const photo = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#567' } })
    .withExif(exif)
    .jpeg()
    .toBuffer();
  return (await sharp(photo).metadata()).exif;
}

const gps = {
  GPSLatitudeRef: 'S',
  GPSLatitude: '33/1 51/1 2440/100',
  GPSLongitudeRef: 'E',
  GPSLongitude: '151/1 12/1 3600/100',
};

describe('photo metadata', () => {
  test('reads date, camera and place', async () => {
    const exif = await exifOf({
      IFD0: { Make: 'Acme', Model: 'One' },
      IFD2: { DateTimeOriginal: '2024:02:29 23:59:01', OffsetTimeOriginal: '-05:30', LensModel: '28mm' },
      IFD3: gps,
    });
    const found = await readPhotoMetadata(exif);
    expect(found).toMatchObject({
      takenAt: '2024-02-29T23:59:01-05:30',
      camera: { make: 'Acme', model: 'One', lens: '28mm' },
    });
    expect(found.location?.latitude).toBeCloseTo(-33.856_78, 4);
    expect(found.location?.longitude).toBeCloseTo(151.21, 4);
  });

  test('is empty for a photo without any', async () => {
    expect(await readPhotoMetadata(undefined)).toEqual(NO_METADATA);
    expect(await readPhotoMetadata(Buffer.alloc(0))).toEqual(NO_METADATA);
    expect(await readPhotoMetadata(Buffer.from('Exif\0\0no tiff at all'))).toEqual(NO_METADATA);
  });

  test.each(['0000:00:00 00:00:00', '2023:02:29 10:00:00', '    :  :     :  :  ', '2024:01:01 25:00:00', 'yesterday'])(
    'does not take %j for a date',
    async (DateTimeOriginal) => {
      expect((await readPhotoMetadata(await exifOf({ IFD2: { DateTimeOriginal } }))).takenAt).toBeNull();
    },
  );

  test.each([
    ['a latitude beyond the pole', { ...gps, GPSLatitude: '133/1 0/1 0/1' }],
    ['a division by zero', { ...gps, GPSLongitude: '1/0 0/0 0/0' }],
  ])('does not take %s for a place', async (_, IFD3) => {
    expect((await readPhotoMetadata(await exifOf({ IFD3 }))).location).toBeNull();
  });

  test('cleans names of control characters and bounds their length', async () => {
    const { camera } = await readPhotoMetadata(await exifOf({ IFD0: { Make: 'A\u0007B', Model: 'x'.repeat(5_000) } }));
    expect(camera).toEqual({ make: 'A B', model: 'x'.repeat(100), lens: null });
  });
});
