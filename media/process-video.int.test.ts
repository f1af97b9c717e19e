import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireTool } from '../testing/external-tools.ts';
import { processVideo } from './process-video.ts';
import type { ProcessedVideo, VideoOptions } from './process-video.ts';
import { rungsFor } from './video-ladder.ts';
import { startMediaWorkers } from './worker-pool.ts';
import type { MediaWorkers } from './worker-pool.ts';

const run = promisify(execFile);
const hasFfmpeg = await requireTool('ffmpeg');

describe.skipIf(!hasFfmpeg)('videos', () => {
  let dir: string;
  let images: MediaWorkers;
  let outputs = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'video-'));
    images = startMediaWorkers({ workers: 1 });
  });
  afterAll(async () => {
    await images.close();
    await rm(dir, { recursive: true });
  });

  /** A moving test picture with a tone. */
  async function film(
    name: string,
    { size = '640x360', seconds = 5, sound = true, extra = [] as string[] } = {},
  ): Promise<string> {
    const path = join(dir, name);
    const tone = sound ? ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${String(seconds)}`] : [];
    await run('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      `testsrc2=size=${size}:rate=25:duration=${String(seconds)}`,
      ...tone,
      '-pix_fmt',
      'yuv420p',
      '-preset',
      'ultrafast',
      ...extra,
      '-y',
      path,
    ]);
    return path;
  }

  function convert(path: string, options: Partial<VideoOptions> = {}) {
    return processVideo({ path, outputDir: join(dir, `out-${String(outputs++)}`), images, ...options });
  }

  async function converted(path: string, outputDir: string): Promise<ProcessedVideo> {
    const result = await processVideo({ path, outputDir, images });
    if (!result.ok) throw new Error(`${result.code}: ${result.reason}`);
    return result;
  }

  async function streamsOf(
    playlist: string,
  ): Promise<{ codec_name: string; width?: number; height?: number; duration?: string }[]> {
    const { stdout } = await run('ffprobe', ['-v', 'error', '-of', 'json', '-show_streams', playlist]);
    return (JSON.parse(stdout) as { streams: { codec_name: string }[] }).streams;
  }

  test('become HLS at every quality that the source has', async () => {
    const outputDir = join(dir, 'hls');
    const result = await converted(await film('plain.mp4'), outputDir);
    expect(result).toMatchObject({ type: 'video/mp4', width: 640, height: 360, pictureIndex: 0, soundIndex: 1 });
    expect(result.renditions).toEqual([
      { name: '240p', width: 426, height: 240 },
      { name: '360p', width: 640, height: 360 },
    ]);
    for (const { name, width, height } of result.renditions) {
      const streams = await streamsOf(join(outputDir, name, 'index.m3u8'));
      expect(streams).toMatchObject([{ codec_name: 'h264', width, height }, { codec_name: 'aac' }]);
    }
    const master = await readFile(join(outputDir, result.playlist), 'utf8');
    expect(master.match(/RESOLUTION=\d+x\d+/g)).toEqual(['RESOLUTION=426x240', 'RESOLUTION=640x360']);
  });

  test('are cut into segments of two seconds that start with a whole picture', async () => {
    const outputDir = join(dir, 'segments');
    await converted(await film('cut.mp4', { seconds: 5, sound: false }), outputDir);
    const playlist = await readFile(join(outputDir, '240p', 'index.m3u8'), 'utf8');
    expect([...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map(([, seconds]) => Math.round(Number(seconds)))).toEqual([
      2, 2, 1,
    ]);
    expect(playlist).toContain('#EXT-X-ENDLIST');
    expect(playlist).toContain('#EXT-X-PLAYLIST-TYPE:VOD');
  });

  test('name their files so that each playlist comes after what it names', async () => {
    const outputDir = join(dir, 'files');
    const { files } = await converted(await film('files.mp4', { seconds: 3 }), outputDir);
    const names = files.map(({ name }) => name);
    expect(names.at(-1)).toBe('master.m3u8');
    expect(names.findIndex((name) => name.endsWith('.m3u8'))).toBe(names.filter((name) => name.endsWith('.ts')).length);
    const onDisk = (await readdir(outputDir, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    expect(names).toHaveLength(onDisk.length);
    expect(new Set(files.map(({ contentType }) => contentType))).toEqual(
      new Set(['video/mp2t', 'application/vnd.apple.mpegurl']),
    );
  });

  test('get a poster in all sizes with a blurhash', async () => {
    const { poster } = await converted(await film('poster.mp4'), join(dir, 'poster'));
    expect(poster.variants.map(({ width }) => width)).toEqual([150, 320, 640, 640, 640]);
    expect(poster.blurhash).toMatch(/^.{20,}$/);
    const { channels } = await sharp(poster.variants[2]!.bytes).stats();
    expect(channels[0]!.stdev).toBeGreaterThan(20);
  });

  test('filmed upright stay upright', async () => {
    const path = join(dir, 'turned.mp4');
    await run('ffmpeg', [
      '-v',
      'error',
      '-i',
      await film('lying.mp4', { seconds: 1 }),
      '-metadata:s:v:0',
      'rotate=90',
      '-c',
      'copy',
      '-y',
      path,
    ]);
    const result = await converted(path, join(dir, 'turned'));
    expect(result).toMatchObject({ width: 360, height: 640 });
    expect(result.renditions.at(-1)).toEqual({ name: '360p', width: 360, height: 640 });
    expect(result.poster.variants[3]).toMatchObject({ width: 360, height: 640 });
  });

  test('without sound, of odd size and smaller than the smallest quality are kept as they are', async () => {
    const path = await film('tiny.webm', {
      size: '320x200',
      seconds: 1,
      sound: false,
      extra: ['-vf', 'scale=121:75', '-c:v', 'libvpx-vp9', '-deadline', 'realtime'],
    });
    const result = await converted(path, join(dir, 'tiny'));
    expect(result).toMatchObject({
      type: 'video/webm',
      soundIndex: null,
      renditions: [{ name: '75p', width: 120, height: 74 }],
    });
  });

  test('carry no place or camera into what is served', async () => {
    const outputDir = join(dir, 'stripped');
    const { files } = await converted(
      await film('placed.mov', {
        seconds: 1,
        extra: [
          '-metadata',
          'com.apple.quicktime.location.ISO6709=+52.5+13.4/',
          '-metadata',
          'comment=Acme-Camera',
          '-movflags',
          'use_metadata_tags',
        ],
      }),
      outputDir,
    );
    expect((await readFile(join(dir, 'placed.mov'))).includes('Acme-Camera')).toBe(true);
    for (const { name } of files) {
      const bytes = await readFile(join(outputDir, name));
      expect(bytes.includes('Acme-Camera') || bytes.includes('+52.5')).toBe(false);
    }
  });

  test('longer than a minute are refused', async () => {
    expect(await convert(await film('long.mp4', { size: '64x64', seconds: 62 }))).toMatchObject({
      ok: false,
      code: 'media_video_too_long',
    });
  });

  test('with more bytes than allowed are refused unread', async () => {
    const path = join(dir, 'huge.mp4');
    const file = await open(path, 'w');
    await file.truncate(101 * 1024 * 1024);
    await file.close();
    expect(await convert(path)).toMatchObject({ ok: false, code: 'media_too_large' });
  });

  test.each([
    ['a cut one', async () => (await readFile(await film('whole.mp4'))).subarray(0, 20_000), 'media_corrupt'],
    [
      'one with noise for a body',
      async () =>
        Buffer.concat([Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp42', 'latin1'), Buffer.alloc(90_000, 0x5a)]),
      'media_corrupt',
    ],
    ['a playlist', async () => Buffer.from('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'), 'media_unsupported_type'],
    ['nothing', async () => Buffer.alloc(0), 'media_empty'],
    [
      'a photo',
      async () =>
        sharp({ create: { width: 9, height: 9, channels: 3, background: '#fff' } })
          .jpeg()
          .toBuffer(),
      'media_unsupported_type',
    ],
    [
      'sound without picture',
      async () => {
        await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=duration=1', '-y', join(dir, 'sound.mp4')]);
        return readFile(join(dir, 'sound.mp4'));
      },
      'media_unsupported_type',
    ],
  ])('such as %s are refused, and leave nothing behind', async (name, bytes, code) => {
    const path = join(dir, 'suspect');
    const outputDir = join(dir, `refused-${name}`);
    await writeFile(path, await bytes());
    expect(await convert(path, { outputDir })).toMatchObject({ ok: false, code });
    expect(existsSync(outputDir)).toBe(false);
  });

  test('that end early are refused', async () => {
    const bytes = await readFile(await film('early.mp4', { seconds: 8, extra: ['-movflags', 'faststart'] }));
    const path = join(dir, 'early-cut.mp4');
    await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * 0.4)));
    expect(await convert(path)).toMatchObject({ ok: false, code: 'media_corrupt' });
  });

  test('of another type than declared are refused', async () => {
    expect(await convert(await film('declared.mp4', { seconds: 1 }), { declaredType: 'video/webm' })).toMatchObject({
      ok: false,
      code: 'media_type_mismatch',
    });
  });

  test('that take too long or are called off are stopped', async () => {
    const path = await film('slow.mp4', { size: '1920x1080', seconds: 20 });
    const outputDir = join(dir, 'slow');
    expect(await convert(path, { timeoutMs: 1_500, outputDir })).toMatchObject({ ok: false, code: 'media_timeout' });
    expect(await convert(path, { signal: AbortSignal.timeout(500), outputDir })).toMatchObject({
      ok: false,
      code: 'media_timeout',
    });
    expect(existsSync(outputDir)).toBe(false);
  });

  test('are refused clearly when the programs are missing', async () => {
    const path = await film('unlucky.mp4', { seconds: 1 });
    expect(await convert(path, { programs: { ffmpeg: 'ffmpeg', ffprobe: 'no-such-program' } })).toMatchObject({
      ok: false,
      code: 'media_video_unavailable',
    });
    expect(await convert(path, { programs: { ffmpeg: 'no-such-program', ffprobe: 'ffprobe' } })).toMatchObject({
      ok: false,
      code: 'media_video_unavailable',
    });
  });

  test('are handed to programs that see nothing of this process', async () => {
    const spy = join(dir, 'spy');
    await writeFile(spy, `#!/bin/sh\nenv > ${join(dir, 'seen')}\nexit 1\n`);
    await chmod(spy, 0o755);
    await convert(await film('spied.mp4', { seconds: 1 }), { programs: { ffmpeg: 'ffmpeg', ffprobe: spy } });
    const seen = await readFile(join(dir, 'seen'), 'utf8');
    expect(
      seen
        .split('\n')
        .map((line) => line.split('=')[0])
        .filter((name) => !/^(PATH|PWD|SHLVL|_|OLDPWD|)$/.test(name!)),
    ).toEqual([]);
    expect((await stat(spy)).isFile()).toBe(true);
  });
});

describe('video qualities', () => {
  test.each([
    [
      { width: 1920, height: 1080 },
      ['240p 426x240', '360p 640x360', '480p 852x480', '720p 1280x720', '1080p 1920x1080'],
    ],
    [
      { width: 3840, height: 2160 },
      ['240p 426x240', '360p 640x360', '480p 852x480', '720p 1280x720', '1080p 1920x1080'],
    ],
    [
      { width: 1080, height: 1920 },
      ['240p 240x426', '360p 360x640', '480p 480x852', '720p 720x1280', '1080p 1080x1920'],
    ],
    [{ width: 600, height: 600 }, ['240p 240x240', '360p 360x360', '480p 480x480']],
    [{ width: 101, height: 51 }, ['51p 100x50']],
  ])('of %j never exceed it', (source, expected) => {
    expect(rungsFor(source).map(({ name, width, height }) => `${name} ${String(width)}x${String(height)}`)).toEqual(
      expected,
    );
  });
});
