import type { Rung } from './video-ladder.ts';
import type { ProbedVideo } from './video-probe.ts';

/** Faster sources are thinned out, which halves the work and is seen by nobody on a phone. */
const MAX_FRAMES_PER_SECOND = 30;

/** Slower ones repeat frames, so that a segment can begin every two seconds. */
const MIN_FRAMES_PER_SECOND = 10;

/**
 * Luminance of diffuse white in HDR, in cd/m²: ITU-R BT.2408-7, 2.1. It becomes a little less than the white of SDR.
 */
const HDR_WHITE = 203;

/**
 * The brightest that is told apart, in cd/m²: the nominal peak of HLG (BT.2100) and what nearly all PQ is graded for.
 */
const HDR_PEAK = 1_000;

/** The complex filter that makes every quality of the picture, as `[out0]`, `[out1]` …, from one decode. */
export function pictureFilter(probed: ProbedVideo, rungs: readonly Rung[]): string {
  const largest = rungs.at(-1) ?? probed;
  const branches = rungs.map((_, index) => `[in${String(index)}]`).join('');
  const scaled = rungs.map((rung, index) => `[in${String(index)}]${scale(rung)}[out${String(index)}]`);
  const start = `[0:${String(probed.pictureIndex)}]${fromZero(probed)},fps=${String(evenRate(probed))}:start_time=0`;
  return [`${start},${standardColours(probed, largest)},split=${String(rungs.length)}${branches}`, ...scaled].join(';');
}

/** The filter that leaves one frame for the poster. */
export function posterFilter(probed: ProbedVideo): string {
  // Half a millisecond early, because the time of a frame is a rounded decimal by now.
  const at = Math.max(0, probed.posterSeconds - 0.0005);
  return `${fromZero(probed)},select=gte(t\\,${decimal(at)}),setpts=0,${standardColours(probed, probed)},${scale(probed)}`;
}

/** The filter for the sound: exactly as long as the picture, silent where there is none. */
export function soundFilter({ startSeconds, durationSeconds }: ProbedVideo): string {
  const [start, end, length] = [startSeconds, startSeconds + durationSeconds, durationSeconds].map(decimal);
  return `atrim=start=${start}:end=${end},asetpts=PTS-${start}/TB,aresample=async=1:first_pts=0,apad=whole_dur=${length},atrim=duration=${length}`;
}

function fromZero({ startSeconds }: ProbedVideo): string {
  return `setpts=PTS-${decimal(startSeconds)}/TB`;
}

function evenRate({ framesPerSecond }: ProbedVideo): number {
  return Math.min(MAX_FRAMES_PER_SECOND, Math.max(MIN_FRAMES_PER_SECOND, framesPerSecond ?? MAX_FRAMES_PER_SECOND));
}

function scale({ width, height }: { readonly width: number; readonly height: number }): string {
  return `scale=${String(width)}:${String(height)}:flags=bicubic,setsar=1`;
}

/** HDR is made smaller first: its light is mapped in floating point, which costs by the pixel. */
function standardColours(probed: ProbedVideo, size: { readonly width: number; readonly height: number }): string {
  switch (probed.light) {
    case 'standard':
      return 'format=yuv420p';
    case 'pq':
    case 'hlg':
      return `${scale(size)},${toneMapping(probed.light)},format=yuv420p`;
    default:
      return probed.light satisfies never;
  }
}

/**
 * Linear light with diffuse white at 1, in the primaries of BT.709; then the peak is bent down to 1, which leaves the
 * darker half as it is.
 */
function toneMapping(light: 'pq' | 'hlg'): string {
  // The table that is quicker than the formula takes HLG channel by channel, which makes its colours too strong.
  const [transfer, table] = light === 'pq' ? ['smpte2084', 1] : ['arib-std-b67', 0];
  return [
    `zscale=tin=${transfer}:pin=bt2020:min=bt2020nc:t=linear:p=bt709:m=gbr:agamma=${String(table)}:npl=${String(HDR_WHITE)}`,
    'format=gbrpf32le',
    `tonemap=mobius:desat=0:peak=${decimal(HDR_PEAK / HDR_WHITE)}`,
    'zscale=t=bt709:p=bt709:m=bt709:r=tv',
  ].join(',');
}

function decimal(value: number): string {
  return value.toFixed(6);
}
