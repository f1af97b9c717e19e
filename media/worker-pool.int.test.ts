import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { drawPhoto } from '../scripts/draw-photo.ts';
import { seededChance } from '../scripts/photo-scenes.ts';
import { mutateBytes } from '../testing/mutate-bytes.ts';
import { longTestsWanted, sharedPhotos } from '../testing/shared-photos.ts';
import { processImage } from './process-image.ts';
import { MediaQueueFull, startMediaWorkers } from './worker-pool.ts';
import type { MediaWorkers, MediaWorkersOptions } from './worker-pool.ts';

const photo = await drawPhoto(5, { width: 1600, height: 1200 });
const small = await drawPhoto(2, { width: 200, height: 150 });

/** A bound for what happens within milliseconds on a machine that has nothing else to do. */
const SOON = { interval: 1, timeout: 30_000 };

let open: MediaWorkers[] = [];
afterEach(async () => {
  await Promise.all(open.map((workers) => workers.close()));
  open = [];
});

function start(options: Partial<MediaWorkersOptions> = {}): MediaWorkers {
  const workers = startMediaWorkers({ workers: 2, ...options });
  open.push(workers);
  return workers;
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('media workers', () => {
  test('give what the image code gives', async () => {
    const options = { filter: 'juno', declaredType: 'image/jpeg', sizes: ['small', 'large'] } as const;
    const result = await start().process(photo, options);
    expect(result).toEqual(await processImage(photo, options));
    expect(result.ok && Buffer.isBuffer(result.variants[0]?.bytes)).toBe(true);
  });

  test('take a file by its path', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'media-'));
    await writeFile(join(dir, 'photo'), photo);
    await writeFile(join(dir, 'huge'), Buffer.alloc(31 * 1024 * 1024));
    const workers = start();
    expect(await workers.process({ path: join(dir, 'photo') })).toMatchObject({ ok: true, width: 1600 });
    expect(await workers.process({ path: join(dir, 'huge') })).toMatchObject({ ok: false, code: 'media_too_large' });
    await rm(dir, { recursive: true });
  });

  test('pass on a refusal', async () => {
    expect(await start().process(Buffer.from('%PDF-1.7'), { declaredType: 'image/jpeg' })).toMatchObject({
      ok: false,
      code: 'media_unsupported_type',
    });
  });

  test('reject when a file cannot be read, and go on', async () => {
    const workers = start({ workers: 1 });
    await expect(workers.process({ path: '/nowhere/photo' })).rejects.toThrow(/ENOENT/);
    expect(await workers.process(small)).toMatchObject({ ok: true });
  });

  test('open no decoder but those of photos', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>');
    const posing = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), svg]);
    for (const bytes of [svg, posing]) expect(await start().process(bytes)).toMatchObject({ ok: false });
  });

  test('keep order and number when many wait', async () => {
    const workers = start();
    const widths = Array.from({ length: 12 }, (_, index) => 100 + index);
    const results = await Promise.all(
      widths.map(async (width) =>
        workers.process(await sharp(small).resize(width, 100, { fit: 'fill' }).png().toBuffer()),
      ),
    );
    expect(results.map((result) => result.ok && result.width)).toEqual(widths);
    expect(workers.pids().length).toBeLessThanOrEqual(2);
  });

  test('refuse more work than may wait', async () => {
    const workers = start({ workers: 1, maxQueue: 2 });
    const taken = [workers.process(small), workers.process(small)];
    await expect(workers.process(small)).rejects.toBeInstanceOf(MediaQueueFull);
    expect(workers.queued()).toBe(2);
    expect((await Promise.all(taken)).every(({ ok }) => ok)).toBe(true);
  });

  test('try a picture again when its worker was killed, without troubling the others', async () => {
    const workers = start();
    const results = [photo, small, photo].map((bytes) => workers.process(bytes));
    await expect.poll(() => workers.pids().length, SOON).toBe(2);
    await expect.poll(() => workers.queued(), SOON).toBeLessThanOrEqual(1);
    process.kill(workers.pids()[0]!, 'SIGKILL');
    expect((await Promise.all(results)).map(({ ok }) => ok)).toEqual([true, true, true]);
  });

  test('do not mind a worker that dies before it is ready', async () => {
    const workers = start({ workers: 1 });
    const result = workers.process(small);
    process.kill(workers.pids()[0]!, 'SIGKILL');
    expect(await result).toMatchObject({ ok: true });
  });

  test('refuse a picture that kills worker after worker', async () => {
    const workers = start({ workers: 1 });
    const result = workers.process(photo);
    for (let death = 0; death < 2; death++) {
      // Only a worker that has the picture dies with it: it is no longer queued then.
      await expect.poll(() => workers.queued(), SOON).toBe(0);
      const [pid] = workers.pids();
      process.kill(pid!, 'SIGSEGV');
      await expect.poll(() => alive(pid!), SOON).toBe(false);
      await expect.poll(() => workers.pids().includes(pid!), SOON).toBe(false);
    }
    expect(await result).toMatchObject({ ok: false, code: 'media_too_complex' });
    expect(await workers.process(small)).toMatchObject({ ok: true });
  });

  const vast = async () =>
    sharp({ create: { width: 9_900, height: 9_900, channels: 3, background: '#89a' } })
      .jpeg({ progressive: true })
      .toBuffer();

  test('end a picture that takes too much memory', async () => {
    const workers = start({ workers: 1, maxRssBytes: 180 * 1024 * 1024 });
    expect(await workers.process(await vast())).toMatchObject({ ok: false, code: 'media_too_complex' });
    expect(await workers.process(small)).toMatchObject({ ok: true });
  });

  test('end a picture that takes too long', async () => {
    const workers = start({ workers: 1, timeoutMs: 400 });
    expect(await workers.process(await vast())).toMatchObject({ ok: false, code: 'media_timeout' });
    expect(await workers.process(small, { sizes: ['thumbnail'] })).toMatchObject({ ok: true });
  });

  test('decode the largest picture allowed within their memory', async () => {
    expect(await start({ workers: 1 }).process(await vast(), { sizes: ['small'] })).toMatchObject({
      ok: true,
      width: 9_900,
    });
  });

  test('are replaced after a number of pictures', async () => {
    const workers = start({ workers: 1, jobsPerWorker: 1 });
    await workers.process(small);
    const [first] = workers.pids();
    await workers.process(small);
    expect(alive(first!)).toBe(false);
  });

  test('end with the pool, whatever is under way', async () => {
    const workers = start();
    const late = [photo, photo, photo].map((bytes) => workers.process(bytes));
    await expect.poll(() => workers.pids().length, SOON).toBe(2);
    const pids = workers.pids();
    const outcomes = Promise.allSettled(late);
    await workers.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(pids.some(alive)).toBe(false);
    await expect(workers.process(small)).rejects.toThrow(/closed/);
  });
});

describe('mutated photos', () => {
  const LEAK_LIMIT = 400 * 1024;

  function residentKilobytes(pid: number): number {
    const status = `/proc/${String(pid)}/status`;
    return existsSync(status) ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) : 0;
  }

  test('neither crash, nor hang, nor bloat a worker', { timeout: 900_000 }, async () => {
    const camera = sharedPhotos('camera').map(({ bytes }) => bytes);
    const drawn = sharp(await drawPhoto(6, { width: 640, height: 480 }));
    const others = await Promise.all([
      drawn.clone().png().toBuffer(),
      drawn.clone().webp().toBuffer(),
      drawn.clone().avif({ effort: 0 }).toBuffer(),
      drawn.clone().jpeg({ progressive: true }).toBuffer(),
    ]);
    const originals = [...camera, ...others];
    const workers = start({ workers: 2, jobsPerWorker: 1_000_000, maxQueue: 10_000 });
    const count = longTestsWanted() ? 2_400 : 150;
    const codes = await Promise.all(
      Array.from({ length: count }, async (_, seed) => {
        const result = await workers.process(mutateBytes(originals[seed % originals.length]!, seededChance(seed)));
        return result.ok ? 'ok' : result.code;
      }),
    );
    const surprising = codes.flatMap((code, seed) =>
      /^(ok|media_(corrupt|empty|unsupported_type|polyglot|too_many_pixels|decoder_unavailable))$/.test(code)
        ? []
        : [`seed ${String(seed)}: ${code}`],
    );
    expect(surprising).toEqual([]);
    expect(codes).toContain('ok');
    expect(codes).toContain('media_corrupt');
    expect(workers.pids()).toHaveLength(2);
    for (const pid of workers.pids()) expect(residentKilobytes(pid)).toBeLessThan(LEAK_LIMIT);
  });
});
