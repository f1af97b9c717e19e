import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessedImage } from './process-image.ts';
import type { ImageOptions } from './image-options.ts';
import type { MediaRefusal } from './refusal.ts';
import { refuse } from './refusal.ts';
import { refusalOf, runTool } from './tool-process.ts';
import type { ToolEnd } from './tool-process.ts';
import { pictureFilter, posterFilter, soundFilter } from './video-filters.ts';
import { rungsFor } from './video-ladder.ts';
import type { Rung } from './video-ladder.ts';
import { inputOf, probeVideo } from './video-probe.ts';
import type { ProbedVideo } from './video-probe.ts';
import type { ImageInput, ProcessResult } from './worker-protocol.ts';

export interface VideoOptions {
  readonly path: string;
  /** An empty or absent folder, filled on success and removed on a refusal. */
  readonly outputDir: string;
  /** Makes the poster's variants: a pool of media workers. */
  readonly images: { process(input: ImageInput, options?: ImageOptions): Promise<ProcessResult> };
  readonly declaredType?: string;
  /** Longest time for the whole video. Default 300,000 ms, and twice that for HDR, whose light is computed anew. */
  readonly timeoutMs?: number;
  /** Calls the work off; the answer is then `media_timeout`. */
  readonly signal?: AbortSignal;
  /** Names of the programs. Default: `ffmpeg` and `ffprobe`. */
  readonly programs?: { readonly ffmpeg: string; readonly ffprobe: string };
}

/**
 * A file below the output folder, in the order in which they should be stored: what a playlist names comes before it.
 */
export interface VideoFile {
  readonly name: string;
  readonly contentType: 'video/mp2t' | 'application/vnd.apple.mpegurl';
}

export interface ProcessedVideo extends ProbedVideo {
  /** Name of the playlist that leads to all others. */
  readonly playlist: 'master.m3u8';
  readonly renditions: readonly Pick<Rung, 'name' | 'width' | 'height'>[];
  readonly files: readonly VideoFile[];
  /** A frame near the beginning in all sizes, with its blurhash. */
  readonly poster: Pick<ProcessedImage, 'variants' | 'blurhash'>;
}

export const SEGMENT_SECONDS = 2;

/**
 * Turns a video into HLS with H.264 at every quality that it is large enough for. A video that is not taken is a
 * refusal.
 */
export async function processVideo(options: VideoOptions): Promise<ProcessedVideo | MediaRefusal> {
  const { path, outputDir, declaredType, programs } = options;
  const probed = await probeVideo(path, {
    ...(declaredType === undefined ? {} : { declaredType }),
    ...(programs ? { ffprobe: programs.ffprobe } : {}),
  });
  if (!probed.ok) return probed;
  await mkdir(outputDir, { recursive: true });
  const result = await transcode(options, probed);
  if (!result.ok) await rm(outputDir, { recursive: true });
  return result;
}

async function transcode(options: VideoOptions, probed: ProbedVideo): Promise<ProcessedVideo | MediaRefusal> {
  const deadline = Date.now() + (options.timeoutMs ?? (probed.light === 'standard' ? 300_000 : 600_000));
  const rungs = rungsFor(probed);
  const poster = await makePoster(options, probed, deadline);
  if (!poster.ok) return poster;
  const end = await ffmpeg(options, streamArguments(options, probed, rungs), deadline);
  if (end.kind !== 'done') return refusalOf(end);
  const files = await orderedFiles(options.outputDir, rungs);
  if (!(await isWhole(options.outputDir, rungs, probed))) return refuse('media_corrupt');
  return {
    ...probed,
    playlist: 'master.m3u8',
    renditions: rungs.map(({ name, width, height }) => ({ name, width, height })),
    files,
    poster: { variants: poster.variants, blurhash: poster.blurhash },
  };
}

async function makePoster(options: VideoOptions, probed: ProbedVideo, deadline: number): Promise<ProcessResult> {
  const frame = join(options.outputDir, 'poster.png');
  const picture = `0:${String(probed.pictureIndex)}`;
  const end = await ffmpeg(
    options,
    [
      ...inputOf(probed.type, options.path),
      '-map',
      picture,
      '-frames:v',
      '1',
      '-vf',
      posterFilter(probed),
      '-map_metadata',
      '-1',
      frame,
    ],
    deadline,
  );
  if (end.kind !== 'done') return refusalOf(end);
  const bytes = await readFile(frame).catch(() => null);
  if (!bytes) return refuse('media_corrupt');
  await rm(frame);
  return options.images.process(bytes);
}

function streamArguments({ path, outputDir }: VideoOptions, probed: ProbedVideo, rungs: readonly Rung[]): string[] {
  const sound = probed.soundIndex === null ? null : `0:${String(probed.soundIndex)}`;
  const perRung = rungs.flatMap(({ maxBitsPerSecond }, index) => [
    '-map',
    `[out${String(index)}]`,
    ...(sound === null ? [] : ['-map', sound]),
    `-maxrate:v:${String(index)}`,
    String(maxBitsPerSecond),
    `-bufsize:v:${String(index)}`,
    String(maxBitsPerSecond * 2),
  ]);
  const streams = rungs
    .map(({ name }, index) => `v:${String(index)},${sound === null ? '' : `a:${String(index)},`}name:${name}`)
    .join(' ');
  return [
    ...inputOf(probed.type, path),
    '-t',
    String(Math.ceil(probed.durationSeconds)),
    '-filter_complex',
    pictureFilter(probed, rungs),
    ...perRung,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-profile:v',
    'main',
    '-crf',
    '23',
    '-sc_threshold',
    '0',
    ...(probed.light === 'standard'
      ? []
      : ['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv']),
    '-force_key_frames',
    `expr:gte(t,n_forced*${String(SEGMENT_SECONDS)})`,
    ...(sound === null ? [] : ['-filter:a', soundFilter(probed), '-c:a', 'aac', '-b:a', '96k', '-ac', '2']),
    '-map_metadata',
    '-1',
    '-map_chapters',
    '-1',
    '-f',
    'hls',
    '-hls_time',
    String(SEGMENT_SECONDS),
    '-hls_playlist_type',
    'vod',
    '-hls_flags',
    'independent_segments',
    '-hls_segment_filename',
    join(outputDir, '%v', '%03d.ts'),
    '-master_pl_name',
    'master.m3u8',
    '-var_stream_map',
    streams,
    join(outputDir, '%v', 'index.m3u8'),
  ];
}

function ffmpeg({ programs, signal }: VideoOptions, args: readonly string[], deadline: number): Promise<ToolEnd> {
  return runTool({
    program: programs?.ffmpeg ?? 'ffmpeg',
    args: ['-v', 'error', '-nostdin', '-y', '-copyts', '-threads', '2', ...args],
    timeoutMs: Math.max(1, deadline - Date.now()),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function orderedFiles(outputDir: string, rungs: readonly Rung[]): Promise<VideoFile[]> {
  const perRung = await Promise.all(
    rungs.map(async ({ name }) => (await readdir(join(outputDir, name))).sort().map((file) => `${name}/${file}`)),
  );
  const names = perRung.flat();
  const playlists = [...names.filter((name) => name.endsWith('.m3u8')), 'master.m3u8'];
  return [
    ...names.filter((name) => name.endsWith('.ts')).map((name) => ({ name, contentType: 'video/mp2t' as const })),
    ...playlists.map((name) => ({ name, contentType: 'application/vnd.apple.mpegurl' as const })),
  ];
}

/** A damaged source ends early without an error; then the playlist is shorter than the source said. */
async function isWhole(outputDir: string, rungs: readonly Rung[], { durationSeconds }: ProbedVideo): Promise<boolean> {
  const playlist = await readFile(join(outputDir, rungs[0]?.name ?? '', 'index.m3u8'), 'utf8');
  const seconds = [...playlist.matchAll(/^#EXTINF:([\d.]+)/gm)].reduce((sum, [, length]) => sum + Number(length), 0);
  return seconds >= durationSeconds * 0.9 - SEGMENT_SECONDS / 2;
}
