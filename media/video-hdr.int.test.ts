import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireTool } from '../testing/external-tools.ts';
import { processVideo } from './process-video.ts';
import { startMediaWorkers } from './worker-pool.ts';
import type { MediaWorkers } from './worker-pool.ts';

const run = promisify(execFile);
const hasFfmpeg = await requireTool('ffmpeg');

type Rgb = readonly [number, number, number];

/** Four patches side by side as SDR would show them on a screen of 203 cd/m² (BT.1886), and a fifth of 1,000 cd/m². */
const PATCHES: readonly Rgb[] = [
  [128, 128, 128],
  [200, 60, 30],
  [40, 100, 180],
  [255, 255, 255],
];
const SIDE = 80;
const FIGURES = { pq: 'smpte2084', hlg: 'arib-std-b67' } as const;

/** Light in BT.2020, in parts of 1,000 cd/m². */
const LIGHT: readonly Rgb[] = [
  ...PATCHES.map((colour) => in2020(colour.map((value) => (value / 255) ** 2.4 * 0.203))),
  [1, 1, 1],
];

/** ITU-R BT.2087, table 2. */
function in2020([r = 0, g = 0, b = 0]: readonly number[]): Rgb {
  return [
    0.6274 * r + 0.3293 * g + 0.0433 * b,
    0.0691 * r + 0.9195 * g + 0.0114 * b,
    0.0164 * r + 0.088 * g + 0.8956 * b,
  ];
}

/** ITU-R BT.2100: the signal of PQ, and that of HLG on a screen of 1,000 cd/m². */
const SIGNAL: Record<keyof typeof FIGURES, (light: Rgb) => Rgb> = {
  pq: (light) =>
    map(
      light,
      (value) =>
        ((0.8359375 + 18.8515625 * (value / 10) ** 0.1593017578125) /
          (1 + 18.6875 * (value / 10) ** 0.1593017578125)) **
        78.84375,
    ),
  hlg: (light) =>
    map(light, (value) => {
      const scene = value * luma(light) ** (1 / 1.2 - 1);
      return scene <= 1 / 12 ? Math.sqrt(3 * scene) : 0.17883277 * Math.log(12 * scene - 0.28466892) + 0.55991073;
    }),
};

const map = ([r, g, b]: Rgb, change: (value: number) => number): Rgb => [change(r), change(g), change(b)];
const luma = ([r, g, b]: Rgb): number => 0.2627 * r + 0.678 * g + 0.0593 * b;

/** A frame of 4:4:4 with 10 bits, limited range. */
function frame(kind: keyof typeof FIGURES): Buffer {
  const width = SIDE * LIGHT.length;
  const planes = LIGHT.map((light) => {
    const signal = SIGNAL[kind](light);
    const y = luma(signal);
    return [64 + 876 * y, 512 + 896 * ((signal[2] - y) / 1.8814), 512 + 896 * ((signal[0] - y) / 1.4746)];
  });
  return Buffer.from(
    Uint16Array.from({ length: 3 * width * SIDE }, (_, at) =>
      Math.round(planes[Math.floor((at % width) / SIDE)]?.[Math.floor(at / (width * SIDE))] ?? 0),
    ).buffer,
  );
}

describe.skipIf(!hasFfmpeg)('a video in HDR', () => {
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

  async function film(kind: keyof typeof FIGURES): Promise<string> {
    await writeFile(join(dir, 'frame.yuv'), frame(kind));
    const path = join(dir, `${kind}.mp4`);
    await run('ffmpeg', [
      '-v',
      'error',
      '-stream_loop',
      '9',
      '-f',
      'rawvideo',
      '-pix_fmt',
      'yuv444p10le',
      '-s',
      `${String(SIDE * LIGHT.length)}x${String(SIDE)}`,
      '-r',
      '10',
      '-i',
      join(dir, 'frame.yuv'),
      '-vf',
      `setparams=range=tv:color_primaries=bt2020:color_trc=${FIGURES[kind]}:colorspace=bt2020nc,format=yuv420p10le`,
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-crf',
      '8',
      '-x265-params',
      'log-level=error',
      '-color_primaries',
      'bt2020',
      '-color_trc',
      FIGURES[kind],
      '-colorspace',
      'bt2020nc',
      '-color_range',
      'tv',
      '-y',
      path,
    ]);
    return path;
  }

  async function patchesOf(picture: string | Buffer): Promise<number[][]> {
    const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return LIGHT.map((_, index) => {
      const at = (info.width * (info.height / 2) + (index + 0.5) * SIDE) * info.channels;
      return [...data.subarray(at, at + 3)];
    });
  }

  test.each(['pq', 'hlg'] as const)(
    'of %s looks like SDR in its streams and its poster, and says that it is',
    async (kind) => {
      const outputDir = join(dir, `out-${kind}`);
      const result = await processVideo({ path: await film(kind), outputDir, images });
      if (!result.ok) throw new Error(result.code);
      const playlist = join(outputDir, result.renditions[0]!.name, 'index.m3u8');
      const { stdout } = await run('ffprobe', [
        '-v',
        'error',
        '-of',
        'json',
        '-show_entries',
        'stream=pix_fmt,color_range,color_space,color_transfer,color_primaries',
        playlist,
      ]);
      expect((JSON.parse(stdout) as { streams: unknown[] }).streams[0]).toMatchObject({
        pix_fmt: 'yuv420p',
        color_range: 'tv',
        color_space: 'bt709',
        color_transfer: 'bt709',
        color_primaries: 'bt709',
      });
      await run('ffmpeg', ['-v', 'error', '-i', playlist, '-frames:v', '1', '-y', join(dir, 'shown.png')]);
      for (const picture of [join(dir, 'shown.png'), result.poster.variants.at(-1)!.bytes]) {
        const [grey, red, blue, white, peak] = await patchesOf(picture);
        // What is not bright stays as it is; bright light makes room for what is brighter.
        for (const [shown, meant] of [
          [grey, PATCHES[0]],
          [red, PATCHES[1]],
          [blue, PATCHES[2]],
        ] as const) {
          for (const [channel, value] of meant!.entries())
            expect(Math.abs(shown![channel]! - value), `${shown!.join()} for ${meant!.join()}`).toBeLessThanOrEqual(12);
        }
        expect(white![1]).toBeGreaterThan(205);
        expect(white![1]).toBeLessThan(230);
        expect(peak![1]).toBeGreaterThan(250);
      }
    },
  );

  test('is refused for that reason where the program cannot convert it', async () => {
    const program = join(dir, 'lesser-ffmpeg');
    await writeFile(program, '#!/bin/bash\nexec ffmpeg "${@//zscale/no_such_scale}"\n');
    await chmod(program, 0o755);
    const programs = { ffmpeg: program, ffprobe: 'ffprobe' };
    expect(
      await processVideo({ path: await film('pq'), outputDir: join(dir, 'lesser'), images, programs }),
    ).toMatchObject({ ok: false, code: 'media_hdr_unavailable' });
  });
});
