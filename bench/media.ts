import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { startMediaWorkers } from '../media/worker-pool.ts';
import type { MediaWorkers } from '../media/worker-pool.ts';
import { drawPhoto } from '../scripts/draw-photo.ts';
import { sharedPhotos } from '../testing/shared-photos.ts';
import { timeUploads, type Uploads } from './media/uploads.ts';

const ROUNDS = 15;
const BATCH = 16;
const TURNS = 5;
const RESULTS = new URL('./results/', import.meta.url);

interface Photo {
  readonly name: string;
  readonly path: string;
  readonly megabytes: number;
  /** The bars hold for the drawn photos, which every machine can make. */
  readonly judged: boolean;
}

interface Timed {
  readonly photo: Photo;
  readonly ours: number;
  readonly oneDecode: number;
  readonly decodeEach: number;
}

interface Scaled {
  readonly one: number;
  readonly two: number;
  readonly peakMegabytes: number | null;
}

/**
 * Times the image pipeline against bare sharp in the same run, alternating, each in a process with
 * `sharp.concurrency(1)`; then the throughput and memory of the worker pool. Prints a table and writes
 * `bench/results/media.md`.
 */
export async function run(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-media-'));
  try {
    const photos = await preparePhotos(dir);
    const timed: Timed[] = [];
    for (const photo of photos) timed.push(await timePhoto(photo));
    const report = describe(timed, await scale(photos[0]!)) + describeUploads(await timeUploads());
    console.log(report);
    await mkdir(RESULTS, { recursive: true });
    await writeFile(new URL('media.md', RESULTS), report);
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function preparePhotos(dir: string): Promise<Photo[]> {
  const lying = await drawPhoto(0, { width: 4032, height: 3024 });
  const upright = await sharp(await sharp(lying).rotate(270).toBuffer())
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 88 })
    .toBuffer();
  const camera = sharedPhotos('camera').find(({ name }) => name === 'iphone_hdr_YES.jpg');
  const real = camera
    ? [
        [
          '12 MP, a camera photo enlarged from 8 MP',
          await sharp(camera.bytes).resize(4032, 3024).jpeg({ quality: 95 }).toBuffer(),
          false,
        ] as const,
      ]
    : [];
  const all = [
    ['12 MP, camera held lying', lying, true] as const,
    ['12 MP, camera held upright (EXIF 6), with a colour profile', upright, true] as const,
    ...real,
  ];
  return Promise.all(
    all.map(async ([name, bytes, judged], index) => {
      const path = join(dir, `${String(index)}.jpg`);
      await writeFile(path, bytes);
      return { name, path, megabytes: bytes.length / 1e6, judged };
    }),
  );
}

async function timePhoto(photo: Photo): Promise<Timed> {
  const workers = startMediaWorkers({ workers: 1 });
  const baseline = await startBaseline();
  const times = { ours: [] as number[], oneDecode: [] as number[], decodeEach: [] as number[] };
  for (let round = -2; round < ROUNDS; round++) {
    const ours = await milliseconds(() => processOrFail(workers, photo));
    const oneDecode = await milliseconds(() => baseline.make(photo.path, 'one decode'));
    const decodeEach = await milliseconds(() => baseline.make(photo.path, 'a decode each'));
    if (round < 0) continue;
    times.ours.push(ours);
    times.oneDecode.push(oneDecode);
    times.decodeEach.push(decodeEach);
  }
  await workers.close();
  baseline.close();
  return {
    photo,
    ours: Math.min(...times.ours),
    oneDecode: Math.min(...times.oneDecode),
    decodeEach: Math.min(...times.decodeEach),
  };
}

async function startBaseline(): Promise<{ make(path: string, way: string): Promise<unknown>; close(): void }> {
  const child = fork(new URL('./media-baseline.ts', import.meta.url), {
    serialization: 'advanced',
    env: { UV_THREADPOOL_SIZE: '2', MALLOC_ARENA_MAX: '2', NODE_NO_WARNINGS: '1' },
  });
  await once(child, 'message');
  return {
    make: (path, way) => {
      child.send({ path, way });
      return once(child, 'message');
    },
    close: () => {
      child.kill();
    },
  };
}

/** Photos per second with one and with two workers, in turns; the peak is that of both workers together. */
async function scale(photo: Photo): Promise<Scaled> {
  const rates: { one: number[]; two: number[] } = { one: [], two: [] };
  let peak: number | null = null;
  for (let round = 0; round < TURNS; round++) {
    for (const [count, into] of [
      [1, rates.one],
      [2, rates.two],
    ] as const) {
      const workers = startMediaWorkers({ workers: count, maxQueue: BATCH });
      await Promise.all(Array.from({ length: count }, () => processOrFail(workers, photo)));
      const spent = await milliseconds(() =>
        Promise.all(Array.from({ length: BATCH }, () => processOrFail(workers, photo))),
      );
      into.push((BATCH * 1000) / spent);
      if (count === 2) peak = higher(peak, workers.pids().map(peakMegabytes));
      await workers.close();
    }
  }
  return { one: Math.max(...rates.one), two: Math.max(...rates.two), peakMegabytes: peak };
}

async function processOrFail(workers: MediaWorkers, photo: Photo): Promise<void> {
  const result = await workers.process({ path: photo.path });
  if (!result.ok) throw new Error(`${photo.name}: ${result.reason}`);
}

function peakMegabytes(pid: number): number | null {
  const status = `/proc/${String(pid)}/status`;
  return existsSync(status) ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) / 1024 : null;
}

function higher(before: number | null, parts: (number | null)[]): number | null {
  const sum = parts.reduce<number>((total, part) => total + (part ?? 0), 0);
  return sum === 0 ? before : Math.max(before ?? 0, sum);
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function describe(timed: Timed[], scaled: Scaled): string {
  const rows = timed.map(
    ({ photo, ours, oneDecode, decodeEach }) =>
      `| ${photo.name} | ${photo.megabytes.toFixed(1)} | ${ours.toFixed(0)} | ${oneDecode.toFixed(0)} | ${decodeEach.toFixed(0)} | ${bar(ours / oneDecode, (value) => value <= 1.15, photo.judged)} | ${bar(decodeEach / ours, (value) => value >= 1.7, photo.judged)} |`,
  );
  const memory =
    scaled.peakMegabytes === null
      ? 'not measured (no /proc)'
      : `${scaled.peakMegabytes.toFixed(0)} MB ${scaled.peakMegabytes <= 400 ? '✓' : '✗'}`;
  return `# Media

One photo to five WebP sizes and a blurhash, in ms (best of ${String(ROUNDS)}, the three ways in turns; whatever else the machine does only adds).
Ours runs through the worker pool, checks and process boundary included; the others are bare sharp in one process.
All use one thread of libvips. A ✓ or ✗ says whether the bar in the heading is met; rows without one are for comparison.

| photo | MB | ours | bare sharp, one decode | bare sharp, a decode each | ours / one decode (≤ 1.15) | decode each / ours (≥ 1.7) |
|---|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

| workers | photos/s |
|---|--:|
| 1 | ${scaled.one.toFixed(1)} |
| 2 | ${scaled.two.toFixed(1)} |

Two workers give ${bar(scaled.two / scaled.one, (value) => value >= 1.6, true)} times the rate of one (bar 1.6) on ${String(availableParallelism())} cores with a load of ${(loadavg()[0] ?? 0).toFixed(1)} at the end, best of ${String(TURNS)} turns.
Peak resident memory of both together: ${memory} (bar 400 MB).
`;
}

function describeUploads({ megabytes, p50, slowest, sent, posted }: Uploads): string {
  return `
A photo of ${megabytes.toFixed(1)} MB from the request for an upload to a published post, over HTTP through the edge of a whole stack (file-system
store, embedded event store), median of 15, one at a time: ${p50.toFixed(0)} ms ${p50 <= 1_500 ? '✓' : '✗'} (bar 1,500 ms), slowest ${slowest.toFixed(0)} ms. The bytes had arrived
after ${sent.toFixed(0)} ms, the post was taken after ${posted.toFixed(0)} ms; the load of the machine was ${(loadavg()[0] ?? 0).toFixed(1)} at the end.
`;
}

function bar(value: number, met: (value: number) => boolean, judged: boolean): string {
  return `${value.toFixed(2)}${judged ? (met(value) ? ' ✓' : ' ✗') : ''}`;
}
