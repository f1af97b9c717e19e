import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../../domain/ids.ts';
import { streamOf } from '../../../domain/streams.ts';
import { startMediaWorkers, type MediaWorkers } from '../../../media/worker-pool.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { requireTool } from '../../../testing/external-tools.ts';
import { makeMedia, type MakeMediaDeps } from './make-media.ts';

const hasFfmpeg = await requireTool('ffmpeg');

describe.skipIf(!hasFfmpeg)('a video', () => {
  let world: ContentWorld;
  let workers: MediaWorkers;
  let ann: AccountId;
  let film: Buffer;
  let temporary: string;
  let systemTemporary: string | undefined;

  beforeAll(async () => {
    // Videos are made in the system's folder for such: this one is for this test alone.
    temporary = await mkdtemp(join(tmpdir(), 'make-video-'));
    systemTemporary = process.env['TMPDIR'];
    film = await aFilm(join(temporary, 'film.mp4'));
    process.env['TMPDIR'] = temporary;
    world = await openContentWorld();
    workers = startMediaWorkers({ workers: 1 });
    ann = await world.account();
  });
  afterAll(async () => {
    await workers.close();
    await world.close();
    if (systemTemporary === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = systemTemporary;
    await rm(temporary, { recursive: true, force: true });
  });

  const uploaded = () => world.uploaded(ann, film, 'video/mp4');
  const make = (mediaId: Awaited<ReturnType<typeof uploaded>>, change: Partial<MakeMediaDeps> = {}) =>
    makeMedia({ ...world, workers, ...change }, world.as('system'), { mediaId });
  const leftovers = async () => (await readdir(temporary)).filter((name) => name.startsWith('shutterlog-video-'));

  it('is made ready as streams at the qualities that it has, with a poster in every size', async () => {
    const mediaId = await uploaded();
    expect(await make(mediaId)).toBe('processed');
    const state = await world.mediaState(mediaId);
    if (state.status !== 'processed' || state.streams === null) throw new Error(state.status);
    expect(state).toMatchObject({
      width: 426,
      height: 240,
      blurhash: expect.stringMatching(/^\S{6,}$/),
      streams: { playlist: `media/${mediaId}/master.m3u8`, renditions: [{ name: '240p', width: 426, height: 240 }] },
    });
    expect(Math.abs((state.durationMs ?? 0) - 3_000)).toBeLessThan(200);
    expect(state.variants.map(({ name }) => name)).toEqual(['thumbnail', 'small', 'medium', 'large', 'original']);
    // A player follows the names from playlist to playlist to segments; each one is there.
    expect(await reachable(state.streams.playlist)).toEqual(
      ['240p/000.ts', '240p/001.ts', '240p/index.m3u8', 'master.m3u8'].map((name) => `media/${mediaId}/${name}`),
    );
    expect(await leftovers()).toEqual([]);
  });

  it('is not stored again when it is made again', async () => {
    const mediaId = await uploaded();
    const puts: string[] = [];
    const objects = {
      ...world.objects,
      put: (...args: Parameters<typeof world.objects.put>) => {
        puts.push(args[0]);
        return world.objects.put(...args);
      },
    };
    const failing = { objects, store: { ...world.store, append: () => Promise.reject(new Error('the log is away')) } };
    await expect(make(mediaId, failing)).rejects.toThrow('the log is away');
    const posterAndPlaylists = puts.filter((key) => !key.endsWith('.ts')).length;
    expect(await make(mediaId, { objects })).toBe('processed');
    expect(puts.filter((key) => !key.endsWith('.ts')).length).toBe(posterAndPlaylists);
    expect(await world.types(streamOf.media(mediaId))).toEqual([
      'UploadRequested',
      'UploadCompleted',
      'MediaProcessed',
    ]);
  });

  it('is refused clearly where the video programs are missing', async () => {
    const mediaId = await uploaded();
    expect(await make(mediaId, { programs: { ffmpeg: 'no-such-ffmpeg', ffprobe: 'no-such-ffprobe' } })).toBe(
      'rejected',
    );
    expect(await world.mediaState(mediaId)).toMatchObject({ status: 'rejected', reason: 'media_video_unavailable' });
    expect(await leftovers()).toEqual([]);
  });

  it('that is cut off is refused, and leaves nothing', async () => {
    const mediaId = await world.uploaded(ann, film.subarray(0, film.length / 2), 'video/mp4');
    expect(await make(mediaId)).toBe('rejected');
    expect(await world.mediaState(mediaId)).toMatchObject({ status: 'rejected', reason: 'media_corrupt' });
    expect(await leftovers()).toEqual([]);
  });

  it('is never refused because this process stops', async () => {
    const mediaId = await uploaded();
    const stop = new AbortController();
    // The poster is made before the streams: from then on the process is to stop.
    const stopping = {
      process: (...args: Parameters<MediaWorkers['process']>) => {
        stop.abort();
        return workers.process(...args);
      },
    };
    await expect(make(mediaId, { workers: stopping, signal: stop.signal })).rejects.toThrow();
    expect(await world.mediaState(mediaId)).toMatchObject({ status: 'uploaded' });
    expect(await leftovers()).toEqual([]);
  });

  async function reachable(playlist: string): Promise<string[]> {
    const found = await world.objects.get(playlist);
    if (!found.ok) throw new Error(`${playlist} is missing`);
    if (!playlist.endsWith('.m3u8')) {
      found.body.destroy();
      return [playlist];
    }
    const names = (await text(found.body)).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const below = await Promise.all(names.map((name) => reachable(`${dirname(playlist)}/${name}`)));
    return [...below.flat(), playlist].sort();
  }
});

async function aFilm(path: string): Promise<Buffer> {
  await promisify(execFile)('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=426x240:rate=25:duration=3',
    '-pix_fmt',
    'yuv420p',
    '-movflags',
    '+faststart',
    '-preset',
    'ultrafast',
    '-y',
    path,
  ]);
  return readFile(path);
}
