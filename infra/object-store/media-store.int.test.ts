import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connection, createTestBucket, s3ForTests } from '../../testing/s3-server.ts';
import { mediaBuckets, mediaPlace, openMediaStore } from './media-store.ts';
import { createS3ObjectStore } from './object-store-s3.ts';
import type { ObjectStore } from './object-store.ts';

const address = s3ForTests();
const unset = {
  S3_ENDPOINT: undefined,
  S3_BUCKET: 'b',
  S3_REGION: 'us-east-1',
  MEDIA_DIR: '.data/none',
  JWT_SECRET: 'x'.repeat(40),
  PUBLIC_URL: undefined,
  HOST: '127.0.0.1',
  PORT: 4000,
};

describe('the settings of the media store', () => {
  it('name a folder, a bucket, or two', () => {
    const s3 = { ...unset, S3_ENDPOINT: 'http://s3', S3_ACCESS_KEY_ID: 'k', S3_SECRET_ACCESS_KEY: 's' };
    expect(mediaBuckets(unset)).toEqual([]);
    expect(mediaBuckets(s3).map(({ bucket }) => bucket)).toEqual(['b']);
    expect(mediaBuckets({ ...s3, S3_FALLBACK_BUCKET: 'c' }).map(({ bucket }) => bucket)).toEqual(['b', 'c']);
    expect(() => mediaBuckets({ ...unset, S3_ENDPOINT: 'http://s3' })).toThrow('S3_ACCESS_KEY_ID');
    expect(openMediaStore(unset).kind).toBe('files');
  });

  it('tell one place from every other', () => {
    const s3 = { ...unset, S3_ENDPOINT: 'http://s3:9000', S3_ACCESS_KEY_ID: 'k', S3_SECRET_ACCESS_KEY: 's' };
    const others = [
      { ...s3, S3_BUCKET: 'c' },
      { ...s3, S3_ENDPOINT: 'http://s3:9001' },
      unset,
      { ...unset, MEDIA_DIR: '.data/other' },
    ];
    expect(new Set([s3, ...others].map(mediaPlace)).size).toBe(5);
    expect(mediaPlace(s3)).toBe('the bucket b at s3:9000');
    expect(mediaPlace({ ...s3, S3_ENDPOINT: 'http://s3:9000/', S3_FALLBACK_BUCKET: 'c' })).toBe(mediaPlace(s3));
    expect(mediaPlace({ ...unset, MEDIA_DIR: './.data/none/' })).toBe(mediaPlace(unset));
  });
});

describe.skipIf(!address)('two buckets on a real server', () => {
  let first: Awaited<ReturnType<typeof createTestBucket>>;
  let second: Awaited<ReturnType<typeof createTestBucket>>;
  const bare = (bucket: string) => createS3ObjectStore({ ...connection(address!), bucket });
  const settings = () => {
    const { endpoint, region, credentials } = connection(address!);
    return {
      ...unset,
      S3_ENDPOINT: endpoint,
      S3_REGION: region,
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      S3_BUCKET: first.bucket,
      S3_FALLBACK_BUCKET: second.bucket,
    };
  };
  const read = async (store: ObjectStore, key: string) => {
    const found = await store.get(key);
    return found.ok ? text(found.body) : found.code;
  };
  beforeAll(async () => {
    [first, second] = [await createTestBucket(address!), await createTestBucket(address!)];
  });
  afterAll(async () => {
    await first.remove();
    await second.remove();
  });

  it('hold a copy each, and the second gives back what the first has lost', async () => {
    const media = openMediaStore(settings());
    if (media.kind !== 's3' || media.pair === undefined) throw new Error('no pair');
    const [a, b] = [bare(first.bucket), bare(second.bucket)];
    await media.objects.put('media/x', Buffer.from('v'), { contentType: 'image/webp' });
    expect([await read(a, 'media/x'), await read(b, 'media/x')]).toEqual(['v', 'v']);
    await a.delete('media/x');
    expect(await read(media.objects, 'media/x')).toBe('v');
    expect(await media.pair.replicate('media/x')).toBe(true);
    expect(await read(a, 'media/x')).toBe('v');
    await Promise.all([media.objects, a, b].map((store) => store.close()));
  });

  it('serve and take objects while the first one is not there, and carry over later', async () => {
    const lost = openMediaStore({ ...settings(), S3_BUCKET: 'test-no-such-bucket' });
    if (lost.kind !== 's3' || lost.pair === undefined) throw new Error('no pair');
    await lost.objects.put('media/y', Buffer.from('w'), { contentType: 'image/webp' });
    expect(await read(lost.objects, 'media/y')).toBe('w');
    await lost.objects.close();
    const media = openMediaStore(settings());
    if (media.kind !== 's3' || media.pair === undefined) throw new Error('no pair');
    expect(await media.pair.reconcile()).toEqual({ copied: 1, removed: 0 });
    const a = bare(first.bucket);
    expect(await read(a, 'media/y')).toBe('w');
    await media.objects.delete('media/y');
    await Promise.all([media.objects, a].map((store) => store.close()));
  });
});
