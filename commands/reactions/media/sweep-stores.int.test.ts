import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { streamOf } from '../../../domain/streams.ts';
import { createHealthApp } from '../../../infra/http/app.ts';
import { listen } from '../../../infra/http/server.ts';
import { createFsObjectStore, type FsObjectStore } from '../../../infra/object-store/object-store-fs.ts';
import { startTelemetry } from '../../../infra/process/telemetry.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { deleteMedia } from './delete-media.ts';
import { mediaSweeps, sweepIntegrity } from './sweep-stores.ts';

let world: ContentWorld;
let second: FsObjectStore;
let secondDir: string;
let ann: AccountId;
let reactor: TestReactor;
const passed = async () => 'passed' as const;
const never = new AbortController().signal;
const cdn = { purge: () => Promise.resolve() };

beforeAll(async () => {
  world = await openContentWorld();
  secondDir = await mkdtemp(join(tmpdir(), 'second-bucket-'));
  second = createFsObjectStore({
    dir: secondDir,
    secret: 'a signing secret for tests, long enough',
    uploadBaseUrl: '',
    downloadBaseUrl: '',
  });
  ann = await world.account();
  reactor = await startReactor(world, [deleteMedia({ ...world, cdn, passed })]);
});
afterAll(async () => {
  await reactor.stop();
  await second.close();
  await world.close();
  await rm(secondDir, { recursive: true, force: true });
});

const type = { contentType: 'image/webp' };
const sizes = ['small', 'large'] as const;
const keyOf = (mediaId: MediaId, name: string) => `media/${mediaId}/${name}.webp`;

/** A ready medium whose two sizes lie in both stores. */
async function photo(): Promise<MediaId> {
  const mediaId = await world.ready(ann);
  const variant = { contentType: 'image/webp', width: 4, height: 3, bytes: 5, sha256: 'a'.repeat(64) };
  await world.record(streamOf.media(mediaId), {
    type: 'MediaFormatMade',
    data: { mediaId, ownerId: ann, variants: sizes.map((name) => ({ ...variant, name, key: keyOf(mediaId, name) })) },
  });
  const upload = `uploads/${ann}/${mediaId}`;
  for (const store of [world.objects, second])
    for (const key of [upload, ...sizes.map((name) => keyOf(mediaId, name))])
      await store.put(key, Buffer.from(`bytes of ${key}`), type);
  await reactor.caughtUp();
  return mediaId;
}

async function damage(dir: string, mediaId: MediaId, name: string): Promise<void> {
  const folder = join(dir, 'objects', 'media', mediaId);
  for (const file of await readdir(folder))
    if (file.startsWith(`${name}.webp~`) && file !== `${name}.webp~`) await writeFile(join(folder, file), 'rotten');
}

async function read(key: string): Promise<string> {
  const found = await world.objects.get(key);
  return found.ok ? text(found.body) : found.code;
}

describe('the daily sample', () => {
  const sweep = (secondary?: FsObjectStore) =>
    sweepIntegrity(world, { primary: world.objects, ...(secondary === undefined ? {} : { secondary }) });

  it('finds nothing where everything is whole', async () => {
    await photo();
    expect(await sweep(second).sweep(new Date(), never)).toBe(0);
  });

  it('restores what is damaged or gone from the second bucket', async () => {
    const mediaId = await photo();
    await damage(world.objectsDir, mediaId, 'small');
    await world.objects.delete(keyOf(mediaId, 'large'));
    expect(await sweep(second).sweep(new Date(), never)).toBe(2);
    expect(await Promise.all(sizes.map((name) => read(keyOf(mediaId, name))))).toEqual(
      sizes.map((name) => `bytes of ${keyOf(mediaId, name)}`),
    );
    expect(await sweep(second).sweep(new Date(), never)).toBe(0);
  });

  it('is told in the metrics, by what was found', async () => {
    const telemetry = startTelemetry({ process: 'test' });
    const server = await listen(
      createHealthApp({
        log: world.log,
        health: {},
        metrics: (request, response) => {
          telemetry.metricsHandler(request, response);
        },
      }),
      { port: 0, host: '127.0.0.1' },
    );
    const [restored, lost] = [await photo(), await photo()];
    await damage(world.objectsDir, restored, 'small');
    for (const dir of [world.objectsDir, secondDir]) await damage(dir, lost, 'large');
    const daily = sweep(second);
    const counted = async (result: string) => {
      const text = await (await fetch(`http://127.0.0.1:${String(server.port)}/metrics`)).text();
      return Number(new RegExp(`^media_integrity_total\\{[^}]*result="${result}"[^}]*\\} (\\d+)`, 'm').exec(text)?.[1]);
    };
    expect(await daily.sweep(new Date(), never)).toBe(2);
    expect([await counted('restored'), await counted('lost')]).toEqual([1, 1]);
    const whole = await counted('whole');
    expect(whole).toBeGreaterThanOrEqual(4);
    expect(await daily.sweep(new Date(), never)).toBe(1);
    expect([await counted('restored'), await counted('lost'), await counted('whole')]).toEqual([1, 2, 2 * whole + 1]);
    await world.objects.delete(keyOf(lost, 'large'));
    for (const store of [world.objects, second])
      await store.put(keyOf(lost, 'large'), Buffer.from(`bytes of ${keyOf(lost, 'large')}`), type);
    await server.close();
    await telemetry.shutdown();
  });

  it('says what is lost where there is no whole copy', async () => {
    const mediaId = await photo();
    await damage(world.objectsDir, mediaId, 'small');
    expect(await sweep().sweep(new Date(), never)).toBe(1);
    await damage(secondDir, mediaId, 'small');
    expect(await sweep(second).sweep(new Date(), never)).toBe(1);
  });
});

it('belongs to every media store, and what two buckets owe each other to a pair alone', () => {
  const namesFor = (media: Parameters<typeof mediaSweeps>[1]) =>
    mediaSweeps({ ...world, cdn, reached: async () => undefined, unusedUploadMs: 1 }, media).map(({ name }) => name);
  const pair = {
    primary: world.objects,
    secondary: second,
    replicate: () => Promise.resolve(true),
    reconcile: () => Promise.resolve({ copied: 0, removed: 0 }),
  };
  expect(namesFor({ kind: 'files', objects: world.objects })).toEqual([
    'uploads',
    'stories',
    'deleted-media',
    'unused-uploads',
    'orphans',
    'owed-purges',
    'stray-files',
    'media-integrity',
  ]);
  expect(namesFor({ kind: 's3', objects: world.objects, pair })).toEqual([
    'uploads',
    'stories',
    'deleted-media',
    'unused-uploads',
    'orphans',
    'owed-purges',
    'media-stores',
    'media-integrity',
  ]);
  expect(namesFor({ kind: 's3', objects: world.objects })).toEqual([
    'uploads',
    'stories',
    'deleted-media',
    'unused-uploads',
    'orphans',
    'owed-purges',
    'media-integrity',
  ]);
});
