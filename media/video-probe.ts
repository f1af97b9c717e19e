import { open } from 'node:fs/promises';
import { z } from 'zod';
import { MAX_VIDEO_BYTES, MAX_VIDEO_SECONDS } from './limits.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';
import { SNIFF_BYTES, sniff } from './sniff.ts';
import type { VideoType } from './sniff.ts';
import { refusalOf, runTool } from './tool-process.ts';
import type { ToolEnd } from './tool-process.ts';
import { lastEnd, parsePackets, timelineOf } from './video-timeline.ts';
import type { Timeline } from './video-timeline.ts';

/**
 * What a video says about itself; `width` and `height` are those of the upright picture, times those of its picture
 * track.
 */
export interface ProbedVideo extends Timeline {
  readonly ok: true;
  readonly type: VideoType;
  readonly width: number;
  readonly height: number;
  /** How light is coded: as in BT.709 and its like, or for HDR as in PQ (SMPTE ST 2084) or HLG (ARIB STD-B67). */
  readonly light: 'standard' | 'pq' | 'hlg';
  /** Which streams of the file are the picture and the sound; null without sound. */
  readonly pictureIndex: number;
  readonly soundIndex: number | null;
}

/**
 * The one reader that each type may be opened with: playlists and scripts that name other files are never guessed at.
 */
const DEMUXERS: Readonly<Record<VideoType, 'mov' | 'matroska'>> = {
  'video/mp4': 'mov',
  'video/quicktime': 'mov',
  'video/webm': 'matroska',
  'video/matroska': 'matroska',
};

/** Larger frames than any rung needs are refused before they are decoded. */
const MAX_FRAME_PIXELS = 4_096 * 4_096;

/** Recorders stop a little late. */
const GRACE_SECONDS = 0.5;

/** Headers round and tracks end unevenly; what lacks more was cut off. */
const LEAST_PART = 0.9;

/** What the readers of Matroska and of MP4 say of a file that ends inside a packet. */
const CUT_OFF = /ended prematurely|partial file/i;

/** Said when the header has no length and the program made one up. */
const GUESSED = /estimating duration/i;

const PROBE_TIMEOUT_MS = 15_000;

/**
 * Packets that are looked at, of all tracks together: four times as many as a minute of 60 frames a second with two
 * tracks of sound.
 */
const MAX_PACKETS = 30_000;

const stream = z.object({
  index: z.number().int(),
  codec_type: z.string(),
  codec_name: z.string().optional(),
  width: z.number().int().optional(),
  height: z.number().int().optional(),
  duration: z.coerce.number().optional(),
  color_transfer: z.string().optional(),
  sample_aspect_ratio: z.string().optional(),
  disposition: z
    .object({
      default: z.number().optional(),
      attached_pic: z.number().optional(),
      timed_thumbnails: z.number().optional(),
    })
    .optional(),
  side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
});
type Stream = z.infer<typeof stream>;
const report = z.object({ streams: z.array(stream), format: z.object({ duration: z.coerce.number().optional() }) });

type ProbeOptions = { readonly declaredType?: string; readonly ffprobe?: string };

/**
 * Reads type, tracks and times of a video file; refuses what must not or cannot be processed. What the container says
 * of its length is a claim only: recorders leave it out, other tracks are longer, and clocks do not begin at zero. The
 * packets of the picture decide, and the claim shows what was cut off.
 */
export async function probeVideo(path: string, options: ProbeOptions = {}): Promise<ProbedVideo | MediaRefusal> {
  const type = await videoType(path, options.declaredType);
  if (typeof type !== 'string') return type;
  const header = await ffprobe(options, [
    '-v',
    'warning',
    '-print_format',
    'json',
    '-show_streams',
    '-show_format',
    ...inputOf(type, path),
  ]);
  if (header.kind !== 'done') return refusalOf(header);
  const chosen = chooseTracks(type, header);
  if ('ok' in chosen) return chosen;
  const list = await ffprobe(options, [
    '-v',
    'error',
    '-of',
    'csv=p=0',
    '-show_entries',
    'packet=stream_index,pts_time,dts_time,duration_time,flags',
    '-read_intervals',
    `%+#${String(MAX_PACKETS)}`,
    ...inputOf(type, path),
  ]);
  if (list.kind !== 'done') return refusalOf(list);
  const timeline = judgeTimes(list, chosen);
  if ('ok' in timeline) return timeline;
  const { picture, sound } = chosen;
  return {
    ok: true,
    type,
    ...upright(picture),
    ...timeline,
    light: lightOf(picture),
    pictureIndex: picture.index,
    soundIndex: sound?.index ?? null,
  };
}

/** How either program opens a file: by the one reader of its type. */
export function inputOf(type: VideoType, path: string): string[] {
  return ['-protocol_whitelist', 'file', '-f', DEMUXERS[type], '-i', path];
}

function ffprobe(options: ProbeOptions, args: readonly string[]): Promise<ToolEnd> {
  return runTool({ program: options.ffprobe ?? 'ffprobe', args, timeoutMs: PROBE_TIMEOUT_MS });
}

async function videoType(path: string, declaredType: string | undefined): Promise<VideoType | MediaRefusal> {
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).size > MAX_VIDEO_BYTES) return refuse('media_too_large');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    const found = await sniff(buffer.subarray(0, bytesRead), declaredType);
    if (!found.ok) return found;
    return found.kind === 'video' ? found.type : refuse('media_unsupported_type');
  } finally {
    await file.close();
  }
}

type ToolReport = Pick<Extract<ToolEnd, { kind: 'done' }>, 'output' | 'complaint'>;
type Tracks = {
  readonly picture: Stream & { readonly width: number; readonly height: number };
  readonly sound: Stream | undefined;
  /** What the header says that the picture, or else the whole file, lasts; undefined when it says nothing. */
  readonly claim: { readonly of: 'picture' | 'file'; readonly seconds: number } | undefined;
};

/**
 * The tracks that a player would take: never a cover or the thumbnails of chapters, and those marked as default first.
 */
function chooseTracks(type: VideoType, { output, complaint }: ToolReport): Tracks | MediaRefusal {
  const parsed = report.safeParse(JSON.parse(output));
  if (!parsed.success) return refuse('media_corrupt');
  const { streams, format } = parsed.data;
  const picture = preferred(
    streams.filter(
      ({ codec_type, disposition }) =>
        codec_type === 'video' && disposition?.attached_pic !== 1 && disposition?.timed_thumbnails !== 1,
    ),
  );
  if (!picture) return refuse('media_unsupported_type');
  const { width, height } = picture;
  if (!width || !height) return refuse('media_corrupt');
  if (width * height > MAX_FRAME_PIXELS) return refuse('media_too_many_pixels');
  const sound = preferred(
    streams.filter(
      ({ codec_type, codec_name }) => codec_type === 'audio' && codec_name !== undefined && codec_name !== 'unknown',
    ),
  );
  return {
    picture: { ...picture, width, height },
    sound,
    claim: GUESSED.test(complaint)
      ? undefined
      : claimOf(DEMUXERS[type] === 'mov' ? picture.duration : undefined, format.duration),
  };
}

/** Matroska has a length for the whole file only, and the program lends it to tracks. */
function claimOf(picture: number | undefined, file: number | undefined): Tracks['claim'] {
  if (picture) return { of: 'picture', seconds: picture };
  return file ? { of: 'file', seconds: file } : undefined;
}

function preferred(tracks: readonly Stream[]): Stream | undefined {
  return tracks.find(({ disposition }) => disposition?.default === 1) ?? tracks[0];
}

/**
 * A file that was cut off has fewer packets than its header claims, or it claims nothing and ends in the middle of a
 * packet.
 */
function judgeTimes({ output, complaint }: ToolReport, { picture, claim }: Tracks): Timeline | MediaRefusal {
  const packets = parsePackets(output);
  const timeline = timelineOf(packets, picture.index);
  if (!timeline) return refuse('media_corrupt');
  if (timeline.durationSeconds > MAX_VIDEO_SECONDS + GRACE_SECONDS) return refuse('media_video_too_long');
  if (packets.length >= MAX_PACKETS) return refuse('media_too_complex');
  const found = claim?.of === 'picture' ? timeline.durationSeconds : lastEnd(packets);
  const lacking = claim !== undefined && found < claim.seconds * LEAST_PART - GRACE_SECONDS;
  return lacking || CUT_OFF.test(complaint) ? refuse('media_corrupt') : timeline;
}

function lightOf({ color_transfer: transfer }: Stream): ProbedVideo['light'] {
  return transfer === 'smpte2084' ? 'pq' : transfer === 'arib-std-b67' ? 'hlg' : 'standard';
}

function upright(picture: Tracks['picture']): { width: number; height: number } {
  const { width, height } = picture;
  const square = Math.round(width * (ratio(picture.sample_aspect_ratio ?? '', ':') ?? 1));
  const turned =
    Math.abs(picture.side_data_list?.find(({ rotation }) => rotation !== undefined)?.rotation ?? 0) % 180 === 90;
  return turned ? { width: height, height: square } : { width: square, height };
}

function ratio(text: string, divider: string): number | null {
  const [a, b] = text.split(divider).map(Number);
  const value = (a ?? 0) / (b ?? 0);
  return Number.isFinite(value) && value > 0 ? value : null;
}
