import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { createS3Client } from '../infra/object-store/object-store-s3.ts';

/** Where an S3 server answers. */
export interface S3Address {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface RunningS3 extends S3Address {
  /** Ends the server and waits until it is gone. */
  close(): Promise<void>;
}

const MODULE = 'github.com/versity/versitygw/cmd/versitygw@latest';
const INSTALL_LIMIT_MS = 300_000;
const START_LIMIT_MS = 15_000;

/**
 * Brings up a private VersityGW on a free loopback port, its objects in `dataDir`. The program is the one on the PATH,
 * else the one in `cacheDir`, else `go install` puts it there (minutes the first time). Rejects with one clear line
 * when there is neither program nor Go, or when it does not start.
 */
export async function bringUpS3({ cacheDir, dataDir }: { cacheDir: string; dataDir: string }): Promise<RunningS3> {
  const program = await findVersityGw(cacheDir);
  const objects = join(dataDir, 'objects');
  const facts = join(dataDir, 'facts');
  await Promise.all([mkdir(objects, { recursive: true }), mkdir(facts, { recursive: true })]);
  const port = await freePort();
  const address = {
    endpoint: `http://127.0.0.1:${String(port)}`,
    accessKeyId: `test${randomBytes(6).toString('hex')}`,
    secretAccessKey: randomBytes(24).toString('hex'),
  };
  const server = spawn(
    program,
    [
      '--access',
      address.accessKeyId,
      '--secret',
      address.secretAccessKey,
      '--port',
      `127.0.0.1:${String(port)}`,
      '--quiet',
      'posix',
      '--sidecar',
      facts,
      objects,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaints = '';
  server.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2_000)));
  try {
    await waitUntilItAnswers(server, address.endpoint);
  } catch (error) {
    await end(server);
    throw new Error(`VersityGW did not start: ${complaints.trim() || 'it said nothing'}`, { cause: error });
  }
  return { ...address, close: () => end(server) };
}

/** The S3 server that the environment names (TEST_S3_*, else S3_*), null when it names none. */
export function s3FromEnvironment(): S3Address | null {
  for (const prefix of ['TEST_S3_', 'S3_']) {
    const endpoint = process.env[`${prefix}ENDPOINT`];
    if (endpoint) {
      return {
        endpoint,
        accessKeyId: process.env[`${prefix}ACCESS_KEY_ID`] ?? '',
        secretAccessKey: process.env[`${prefix}SECRET_ACCESS_KEY`] ?? '',
      };
    }
  }
  return null;
}

/**
 * The S3 server for a test file, null when there is none: the caller then skips, and this function has said why.
 * Under CI=true a missing server is an error instead.
 */
export function s3ForTests(): S3Address | null {
  const address = s3FromEnvironment();
  if (address) return address;
  const reason =
    'no S3 server: TEST_S3_ENDPOINT and S3_ENDPOINT are not set (npm test sets the first when Go is installed)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return null;
}

/** Makes a bucket that nobody else uses; `remove` empties and removes it. */
export async function createTestBucket(address: S3Address): Promise<{ bucket: string; remove: () => Promise<void> }> {
  const bucket = `test-${randomBytes(8).toString('hex')}`;
  const client = createS3Client({ ...connection(address), bucket });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    bucket,
    remove: async () => {
      for (;;) {
        const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
        if (Contents.length === 0) break;
        await client.send(
          new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }),
        );
      }
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      client.destroy();
    },
  };
}

/** The adapter options, but for the bucket, of an address. */
export function connection({ endpoint, accessKeyId, secretAccessKey }: S3Address): {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
} {
  return { endpoint, region: process.env['S3_REGION'] ?? 'us-east-1', credentials: { accessKeyId, secretAccessKey } };
}

async function findVersityGw(cacheDir: string): Promise<string> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), cacheDir];
  for (const folder of folders) {
    const candidate = join(folder, 'versitygw');
    if (
      folder &&
      (await access(candidate).then(
        () => true,
        () => false,
      ))
    )
      return candidate;
  }
  await mkdir(cacheDir, { recursive: true });
  await goInstall(cacheDir);
  return join(cacheDir, 'versitygw');
}

async function goInstall(cacheDir: string): Promise<void> {
  const go = spawn('go', ['install', MODULE], {
    env: { ...process.env, GOBIN: cacheDir },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_LIMIT_MS,
  });
  let complaints = '';
  go.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2_000)));
  const code = await new Promise<number | null>((resolve, reject) => {
    go.once('error', (cause) => {
      reject(new Error('no S3 server: neither versitygw nor Go is installed', { cause }));
    });
    go.once('close', resolve);
  });
  if (code !== 0)
    throw new Error(`no S3 server: go install ${MODULE} failed: ${complaints.trim().split('\n').at(-1) ?? ''}`);
}

async function waitUntilItAnswers(server: ChildProcess, endpoint: string): Promise<void> {
  let failed: Error | undefined;
  server.once('error', (error) => (failed = error));
  const deadline = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadline) {
    if (failed) throw failed;
    if (server.exitCode !== null) throw new Error(`it ended with code ${String(server.exitCode)}`);
    // Any answer will do: without a signature it is a refusal.
    if (
      await fetch(endpoint).then(
        () => true,
        () => false,
      )
    )
      return;
    await delay(50);
  }
  throw new Error(`no answer within ${String(START_LIMIT_MS)} ms`);
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) return;
  const gone = once(server, 'exit');
  server.kill('SIGTERM');
  const stubborn = setTimeout(() => server.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(stubborn);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe socket has no port');
  return address.port;
}
