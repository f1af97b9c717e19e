import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { GetBucketEncryptionCommand, GetBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { listen, type RunningServer } from '../infra/http/server.ts';
import { createS3Client } from '../infra/object-store/object-store-s3.ts';
import { connection, createTestBucket, s3ForTests, type S3Address } from '../testing/s3-server.ts';

const CLI = fileURLToPath(new URL('main.ts', import.meta.url));
const address = s3ForTests();
// The stores are never opened by these commands; their addresses only have to be there.
const BASE = {
  PATH: process.env['PATH'],
  EVENTSTORE_URL: 'esdb://127.0.0.1:1',
  DATABASE_URL: 'postgres://127.0.0.1:1/none',
  REDIS_URL: 'redis://127.0.0.1:1',
  MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  JWT_SECRET: 'x'.repeat(40),
};

function shutterlog(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: unknown; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env: { ...BASE, ...env } }, (error, out, err) => {
      resolve({ code: error?.code ?? 0, out, err });
    });
  });
}

const Applied = z.array(
  z.object({
    bucket: z.string(),
    lifecycle: z.enum(['applied', 'unsupported', 'refused']),
    encryption: z.enum(['applied', 'unsupported', 'refused']),
    reasons: z.array(z.string()),
  }),
);

async function apply(server: S3Address, buckets: { S3_BUCKET: string; S3_FALLBACK_BUCKET?: string }) {
  const { endpoint, region, credentials } = connection(server);
  const { code, out, err } = await shutterlog(['media', 'lifecycle', 'apply', '--json'], {
    S3_ENDPOINT: endpoint,
    S3_REGION: region,
    S3_ACCESS_KEY_ID: credentials.accessKeyId,
    S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ...buckets,
  });
  return { code, err, applied: Applied.parse(JSON.parse(out)) };
}

describe('media lifecycle apply', () => {
  it('is wrong use where media lie in a folder', async () => {
    const { code, err } = await shutterlog(['media', 'lifecycle', 'apply']);
    expect([code, err]).toEqual([2, expect.stringContaining('S3_ENDPOINT')]);
  });

  it.skipIf(!address)('puts the rules of both buckets in force, or says which ones the server has not', async () => {
    if (!address) return;
    const buckets = [await createTestBucket(address), await createTestBucket(address)];
    const [first, second] = buckets.map(({ bucket }) => bucket);
    const { code, applied } = await apply(address, { S3_BUCKET: first ?? '', S3_FALLBACK_BUCKET: second ?? '' });
    expect(applied.map(({ bucket }) => bucket)).toEqual([first, second]);
    expect(code).toBe(
      applied.every(({ lifecycle, encryption }) => lifecycle === 'applied' && encryption === 'applied') ? 0 : 1,
    );
    for (const { bucket, lifecycle, encryption } of applied) {
      if (lifecycle === 'applied') await expectLifecycle(address, bucket);
      else
        console.log(
          `skipped: the rules of age in force, because this S3 server keeps none (${lifecycle}); TEST_S3_ENDPOINT may name one that does`,
        );
      if (encryption === 'applied') await expectEncryption(address, bucket);
    }
    for (const bucket of buckets) await bucket.remove();
  });
});

async function expectLifecycle(server: S3Address, bucket: string): Promise<void> {
  const client = createS3Client({ ...connection(server), bucket });
  const { Rules } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }));
  expect(Rules).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        Status: 'Enabled',
        Filter: { Prefix: 'media/' },
        Transitions: [
          { Days: 90, StorageClass: 'STANDARD_IA' },
          { Days: 365, StorageClass: 'GLACIER_IR' },
        ],
      }),
      expect.objectContaining({ Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
    ]),
  );
  client.destroy();
}

async function expectEncryption(server: S3Address, bucket: string): Promise<void> {
  const client = createS3Client({ ...connection(server), bucket });
  const { ServerSideEncryptionConfiguration } = await client.send(new GetBucketEncryptionCommand({ Bucket: bucket }));
  expect(ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault).toMatchObject({
    SSEAlgorithm: 'AES256',
  });
  client.destroy();
}

describe('media lifecycle apply, with a server', () => {
  const NO_SUCH_CLASS =
    '<?xml version="1.0"?><Error><Code>InvalidStorageClass</Code><Message>there is no such storage class</Message></Error>';
  const NOTHING_KEPT =
    '<?xml version="1.0"?><Error><Code>NoSuchLifecycleConfiguration</Code><Message>there are no rules</Message></Error>';
  const ENCRYPTED =
    '<?xml version="1.0"?><ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>';

  /** Speaks S3 as far as rules go; `lifecycle` answers what concerns rules of age. */
  async function serverWith(lifecycle: (method: string | undefined) => [number, string]): Promise<RunningServer> {
    return listen(
      (request, response) => {
        request.resume();
        const [status, body] = request.url?.includes('lifecycle')
          ? lifecycle(request.method)
          : [200, request.method === 'GET' ? ENCRYPTED : ''];
        response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
      },
      { port: 0, host: '127.0.0.1' },
    );
  }

  it.each([
    [
      'that takes rules and keeps none, says so',
      (method: string | undefined): [number, string] => (method === 'GET' ? [404, NOTHING_KEPT] : [200, '']),
      'unsupported',
      [],
    ],
    [
      'that does not take these rules, gives its reason',
      (): [number, string] => [400, NO_SUCH_CLASS],
      'refused',
      ['InvalidStorageClass: there is no such storage class'],
    ],
  ])('%s, and goes on with encryption', async (_, answer, lifecycle, reasons) => {
    const server = await serverWith(answer);
    const { code, applied } = await apply(
      { endpoint: `http://127.0.0.1:${String(server.port)}`, accessKeyId: 'a', secretAccessKey: 'b' },
      { S3_BUCKET: 'photos' },
    );
    expect(applied).toEqual([{ bucket: 'photos', lifecycle, encryption: 'applied', reasons }]);
    expect(code).toBe(1);
    await server.close();
  });
});
