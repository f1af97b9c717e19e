import { describe, expect, test } from 'vitest';
import { applyBucketRules } from './object-store-lifecycle.ts';
import { createS3ObjectStore } from './object-store-s3.ts';
import { describeObjectStore } from '../../testing/object-store-contract.ts';
import { connection, createTestBucket, s3ForTests } from '../../testing/s3-server.ts';

const address = s3ForTests();

if (address) {
  describeObjectStore('S3', async () => {
    const { bucket, remove } = await createTestBucket(address);
    const store = createS3ObjectStore({ ...connection(address), bucket });
    return {
      store,
      close: async () => {
        await store.close();
        await remove();
      },
    };
  });
}

describe.skipIf(!address)('bucket rules', () => {
  test('are written, or the server is known not to have them', async () => {
    if (!address) return;
    const { bucket, remove } = await createTestBucket(address);
    const applied = await applyBucketRules({ ...connection(address), bucket }, { mediaPrefix: 'media/' });
    expect(applied.lifecycle.is).toMatch(/^(applied|unsupported)$/);
    expect(applied.encryption.is).toMatch(/^(applied|unsupported)$/);
    await remove();
  });

  test('are refused for a bucket that is not there', async () => {
    if (!address) return;
    await expect(
      applyBucketRules({ ...connection(address), bucket: 'test-no-such-bucket' }, { mediaPrefix: 'media/' }),
    ).rejects.toThrow();
  });
});
