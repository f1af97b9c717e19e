import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireTool } from '../testing/external-tools.ts';
import { anyVideoFile, makeVideoFile, PICTURE } from '../testing/video-files.ts';
import type { VideoFile } from '../testing/video-files.ts';
import { processVideo } from './process-video.ts';
import type { ProcessedVideo } from './process-video.ts';
import type { MediaRefusal } from './refusal.ts';
import { startMediaWorkers } from './worker-pool.ts';
import type { MediaWorkers } from './worker-pool.ts';

/** Files of the property; VIDEO_FILES=200 for a longer look. */
const RUNS = Number(process.env['VIDEO_FILES'] ?? 12);

const hasFfmpeg = await requireTool('ffmpeg');
const PLAIN: VideoFile = {
  container: 'mp4',
  codec: 'libx264',
  seconds: 1.2,
  framesPerSecond: 25,
  uneven: false,
  sound: 'same',
  odd: 'nothing',
  offsetSeconds: 0,
  rotation: 0,
  live: false,
};

describe.skipIf(!hasFfmpeg)('a video', () => {
  let dir: string;
  let images: MediaWorkers;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'video-'));
    images = startMediaWorkers({ workers: 1 });
  });
  afterAll(async () => {
    await images.close();
    await rm(dir, { recursive: true });
  });

  async function convert(path: string): Promise<ProcessedVideo | MediaRefusal> {
    await rm(join(dir, 'out'), { recursive: true, force: true });
    return processVideo({ path, outputDir: join(dir, 'out'), images });
  }

  async function converted(file: Partial<VideoFile>): Promise<ProcessedVideo> {
    const result = await convert(await makeVideoFile(dir, { ...PLAIN, ...file }));
    if (!result.ok) throw new Error(`${result.code}: ${result.reason}`);
    return result;
  }

  /** Start and length in seconds of each track of the smallest quality, the picture first. */
  async function served(result: ProcessedVideo): Promise<{ start: number; length: number }[]> {
    const { stdout } = await promisify(execFile)('ffprobe', [
      '-v',
      'error',
      '-of',
      'csv=p=0',
      '-show_entries',
      'packet=stream_index,pts_time,duration_time',
      join(dir, 'out', result.renditions[0]?.name ?? '', 'index.m3u8'),
    ]);
    const rows = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(',').map(Number));
    return [0, 1]
      .map((track) => rows.filter(([index]) => index === track))
      .filter((packets) => packets.length > 0)
      .map((packets) => {
        const start = Math.min(...packets.map(([, at]) => at ?? 0));
        return { start, length: Math.max(...packets.map(([, at, length]) => (at ?? 0) + (length ?? 0))) - start };
      });
  }

  test.each<[string, Partial<VideoFile>, number]>([
    [
      'from a recorder that writes no length',
      { container: 'webm', codec: 'libvpx', seconds: 3, framesPerSecond: 15, sound: 'none', live: true },
      3,
    ],
    ['with a cover before its picture track', { odd: 'cover' }, 1.2],
    ['with sound that goes on after the picture', { sound: 'longer' }, 1.2],
    ['whose clock starts at five seconds', { offsetSeconds: 5 }, 1.2],
    ['whose clock starts at five seconds, in WebM', { container: 'webm', codec: 'libvpx', offsetSeconds: 5 }, 1.2],
    ['of one frame', { seconds: 0.04, sound: 'none' }, 0.04],
    ['of H.264 in Matroska', { container: 'mkv', live: true }, 1.2],
    ['in fragments', { live: true }, 1.2],
  ])('%s is taken, as long as its picture', async (_, file, seconds) => {
    const result = await converted(file);
    expect(result.durationSeconds).toBeCloseTo(seconds, 1);
    expect(result).toMatchObject(PICTURE);
    const [picture] = await served(result);
    expect(Math.abs((picture?.length ?? 0) - seconds)).toBeLessThan(0.15);
  });

  test('that shows one frame for seconds is as long as that', async () => {
    const path = join(dir, 'still.mp4');
    await promisify(execFile)('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=160x90:rate=1/3:duration=3',
      '-pix_fmt',
      'yuv420p',
      '-y',
      path,
    ]);
    const result = await convert(path);
    expect(result).toMatchObject({ ok: true, durationSeconds: 3 });
    expect((await served(result as ProcessedVideo))[0]?.length).toBeCloseTo(3, 1);
  });

  test.each<[string, Partial<VideoFile>]>([
    ['MP4', {}],
    ['MP4 of fragments', { live: true }],
    ['WebM', { container: 'webm', codec: 'libvpx' }],
    ['WebM without a length', { container: 'webm', codec: 'libvpx', live: true }],
    ['a clock that starts late', { offsetSeconds: 5, sound: 'none' }],
    ['long sound', { sound: 'longer' }],
  ])('that is cut off is refused: %s', async (_, file) => {
    const path = await makeVideoFile(dir, { ...PLAIN, seconds: 2.6, ...file });
    // The header first, so that a cut takes packets and nothing else.
    if (path.endsWith('.mp4') && file.live !== true) {
      await promisify(execFile)('ffmpeg', [
        '-v',
        'error',
        '-copyts',
        '-i',
        path,
        '-c',
        'copy',
        '-movflags',
        'faststart',
        '-y',
        join(dir, 'first.mp4'),
      ]);
      await writeFile(path, await readFile(join(dir, 'first.mp4')));
    }
    const bytes = await readFile(path);
    for (const part of [0.3, 0.5]) {
      await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * part)));
      expect(await convert(path)).toMatchObject({ ok: false, code: 'media_corrupt' });
    }
  });

  test(
    'of any container, codec, odd track, clock, rotation and rhythm is taken as it is shown',
    async () => {
      await fc.assert(
        fc.asyncProperty(anyVideoFile, async (file) => {
          const result = await converted(file);
          // Left-out frames may be the last ones: up to two at ten a second.
          const blur = file.uneven ? 2.1 / file.framesPerSecond : 0.02;
          expect(Math.abs(result.durationSeconds - file.seconds)).toBeLessThanOrEqual(blur + 1 / file.framesPerSecond);
          const upright =
            file.rotation % 180 === 90 && /^m(p4|ov)$/.test(file.container)
              ? { width: PICTURE.height, height: PICTURE.width }
              : PICTURE;
          expect(result).toMatchObject(upright);
          expect(result.poster.variants.at(-1)).toMatchObject(upright);
          expect((await sharp(result.poster.variants.at(-1)!.bytes).stats()).channels[2]!.stdev).toBeGreaterThan(20);
          const [picture, sound] = await served(result);
          expect(Math.abs(picture!.length - result.durationSeconds)).toBeLessThan(0.15);
          expect(sound === undefined).toBe(file.sound === 'none');
          // An AAC frame and the silence before its first one are 23 ms each.
          if (sound)
            expect(
              Math.max(Math.abs(sound.start - picture!.start), Math.abs(sound.length - picture!.length)),
            ).toBeLessThan(0.17);
        }),
        { numRuns: RUNS },
      );
    },
    60_000 + RUNS * 10_000,
  );
});
