import { describe, test } from 'vitest';
import { createS3ObjectStore } from './object-store-s3.ts';
import { describeObjectStore } from '../testing/object-store-contract.ts';
import { connection, createTestBucket, s3ForTests } from '../testing/s3-server.ts';

const address = s3ForTests();

if (address) {
  describeObjectStore('S3', async () => {
    const { bucket, remove } = await createTestBucket(address);
    const store = createS3ObjectStore({ ...connection(address), bucket });
    return { store, close: async () => { await store.close(); await remove(); } };
  });
} else {
  describe.skip('object store: S3', () => {
    test('needs an S3 server', () => undefined);
  });
}
