import { open } from 'node:fs/promises';
import { z } from 'zod';
import { MAX_VIDEO_BYTES, MAX_VIDEO_SECONDS } from './limits.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';
import { SNIFF_BYTES, sniff } from './sniff.ts';
import type { VideoType } from './sniff.ts';
import { refusalOf, runTool } from './tool-process.ts';

/** What a video says about itself; `width` and `height` are those of the upright picture. */
export interface ProbedVideo {
  readonly ok: true;
  readonly type: VideoType;
  readonly width: number;
  readonly height: number;
  readonly durationSeconds: number;
  readonly framesPerSecond: number;
  readonly hasAudio: boolean;
}

/**
 * The one reader that each type may be opened with: playlists and scripts that name other files are never guessed at.
 */
export const DEMUXERS: Readonly<Record<VideoType, 'mov' | 'matroska'>> = {
  'video/mp4': 'mov',
  'video/quicktime': 'mov',
  'video/webm': 'matroska',
};

/** Larger frames than any rung needs are refused before they are decoded. */
const MAX_FRAME_PIXELS = 4_096 * 4_096;

/** Recorders stop a little late. */
const GRACE_SECONDS = 0.5;

const PROBE_TIMEOUT_MS = 15_000;

const stream = z.object({
  codec_type: z.string(),
  width: z.number().int().optional(),
  height: z.number().int().optional(),
  avg_frame_rate: z.string().optional(),
  sample_aspect_ratio: z.string().optional(),
  disposition: z.object({ attached_pic: z.number().optional() }).optional(),
  side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
});
type Stream = z.infer<typeof stream>;
const report = z.object({ streams: z.array(stream), format: z.object({ duration: z.coerce.number().positive() }) });

/** Reads type, length and frame of a video file; refuses what must not or cannot be processed. */
export async function probeVideo(
  path: string,
  options: { readonly declaredType?: string; readonly ffprobe?: string } = {},
): Promise<ProbedVideo | MediaRefusal> {
  const type = await videoType(path, options.declaredType);
  if (typeof type !== 'string') return type;
  const end = await runTool({
    program: options.ffprobe ?? 'ffprobe',
    args: [
      '-v',
      'error',
      '-protocol_whitelist',
      'file',
      '-f',
      DEMUXERS[type],
      '-print_format',
      'json',
      '-show_streams',
      '-show_format',
      '-i',
      path,
    ],
    timeoutMs: PROBE_TIMEOUT_MS,
  });
  return end.kind === 'done' ? judge(type, end.output) : refusalOf(end);
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

function judge(type: VideoType, output: string): ProbedVideo | MediaRefusal {
  const parsed = report.safeParse(JSON.parse(output));
  if (!parsed.success) return refuse('media_corrupt');
  const { streams, format } = parsed.data;
  const picture = streams.find((one) => one.codec_type === 'video' && one.disposition?.attached_pic !== 1);
  if (!picture) return refuse('media_unsupported_type');
  if (!picture.width || !picture.height) return refuse('media_corrupt');
  if (picture.width * picture.height > MAX_FRAME_PIXELS) return refuse('media_too_many_pixels');
  if (format.duration > MAX_VIDEO_SECONDS + GRACE_SECONDS) return refuse('media_video_too_long');
  return {
    ok: true,
    type,
    ...upright(picture.width, picture.height, picture),
    durationSeconds: format.duration,
    framesPerSecond: ratio(picture.avg_frame_rate ?? '', '/') ?? 30,
    hasAudio: streams.some((one) => one.codec_type === 'audio'),
  };
}

function upright(width: number, height: number, picture: Stream): { width: number; height: number } {
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
