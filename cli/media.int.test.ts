import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { connection, createTestBucket, s3ForTests } from '../testing/s3-server.ts';

const CLI = fileURLToPath(new URL('main.ts', import.meta.url));
const address = s3ForTests();
// The stores are never opened by these commands; their addresses only have to be there.
const BASE = {
  PATH: process.env['PATH'], EVENTSTORE_URL: 'esdb://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/none', REDIS_URL: 'redis://127.0.0.1:1',
  MASTER_KEY: Buffer.alloc(32, 7).toString('base64'), JWT_SECRET: 'x'.repeat(40),
};

function shutterlog(args: readonly string[], env: Record<string, string> = {}): Promise<{ code: unknown; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env: { ...BASE, ...env } }, (error, out, err) => { resolve({ code: error?.code ?? 0, out, err }); });
  });
}

describe('media lifecycle apply', () => {
  it('is wrong use where media lie in a folder', async () => {
    const { code, err } = await shutterlog(['media', 'lifecycle', 'apply']);
    expect([code, err]).toEqual([2, expect.stringContaining('S3_ENDPOINT')]);
  });

  it.skipIf(!address)('writes the rules of both buckets, or says that the server has none', async () => {
    if (!address) return;
    const [first, second] = [await createTestBucket(address), await createTestBucket(address)];
    const { endpoint, region, credentials } = connection(address);
    const { code, out } = await shutterlog(['media', 'lifecycle', 'apply', '--json'], {
      S3_ENDPOINT: endpoint, S3_REGION: region, S3_ACCESS_KEY_ID: credentials.accessKeyId, S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      S3_BUCKET: first.bucket, S3_FALLBACK_BUCKET: second.bucket,
    });
    const applied: unknown = JSON.parse(out);
    const rule = expect.stringMatching(/^(applied|unsupported)$/);
    expect(applied).toEqual([first, second].map(({ bucket }) => ({ bucket, lifecycle: rule, encryption: rule })));
    expect(code).toBe(out.includes('unsupported') ? 1 : 0);
    await first.remove();
    await second.remove();
  });
});
