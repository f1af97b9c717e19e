/** When the picture of a video is shown, as its packets say; seconds. */
export interface Timeline {
  /** Time of the first frame on the container's clock. */
  readonly startSeconds: number;
  /** From the first frame to the end of the last one. */
  readonly durationSeconds: number;
  /** The mean where frames come evenly, null where they do not (screen recordings, cameras in the dark). */
  readonly framesPerSecond: number | null;
  /** Start of the frame that stands for the video, counted from the first frame. */
  readonly posterSeconds: number;
}

/** One packet of any track; times are null where the container gives none. */
export interface Packet {
  readonly stream: number;
  readonly startSeconds: number | null;
  readonly lengthSeconds: number | null;
  /** Cut away by an edit list: decoded, never shown. */
  readonly hidden: boolean;
}

/** A frame whose length nobody tells: one of the commonest rate. */
const FRAME_SECONDS = 1 / 30;

/** The poster is taken here, or in the middle of what is shorter. */
const POSTER_SECONDS = 1;

/**
 * Clocks of whole milliseconds make neighbours differ by a third at 240 frames a second; a dropped frame makes it a
 * whole.
 */
const LARGEST_EVEN_GAP = 1.8;

/**
 * Reads what `ffprobe -of csv=p=0 -show_entries packet=stream_index,pts_time,dts_time,duration_time,flags` prints;
 * other lines are passed over.
 */
export function parsePackets(output: string): Packet[] {
  return [...output.matchAll(/^(\d+),([^,\n]*),([^,\n]*),([^,\n]*),([^,\n]*)/gm)].map(
    ([, stream, shown, decoded, length, flags]) => ({
      stream: Number(stream),
      startSeconds: seconds(shown) ?? seconds(decoded),
      lengthSeconds: seconds(length),
      hidden: flags?.includes('D') ?? false,
    }),
  );
}

/** The timeline of one track; null when none of its packets is shown. */
export function timelineOf(packets: readonly Packet[], stream: number): Timeline | null {
  const shown = packets
    .filter((packet) => packet.stream === stream && !packet.hidden && packet.startSeconds !== null)
    .map(({ startSeconds, lengthSeconds }) => ({ at: startSeconds ?? 0, lengthSeconds }))
    .toSorted((a, b) => a.at - b.at);
  const [first, last] = [shown[0], shown.at(-1)];
  if (!first || !last) return null;
  const span = last.at - first.at;
  const gap = span / Math.max(1, shown.length - 1);
  const durationSeconds = span + (last.lengthSeconds || gap || FRAME_SECONDS);
  const target = Math.min(POSTER_SECONDS, durationSeconds / 2);
  const even = shown.every(({ at }, index) => at - (shown[index - 1]?.at ?? at) <= gap * LARGEST_EVEN_GAP);
  return {
    startSeconds: first.at,
    durationSeconds,
    framesPerSecond: even ? nominalRate(shown.length / durationSeconds) : null,
    posterSeconds: (shown.findLast(({ at }) => at - first.at <= target) ?? first).at - first.at,
  };
}

/** Clocks of whole milliseconds blur a rate by less than this part. */
const RATE_BLUR = 0.005;

/** The whole number that was meant, or the one of television (30 is 30,000 in 1,001 seconds), when one is near. */
function nominalRate(measured: number): number {
  const [near = measured] = [Math.round(measured), (Math.round(measured * 1.001) * 1_000) / 1_001].toSorted(
    (a, b) => Math.abs(a - measured) - Math.abs(b - measured),
  );
  return Math.abs(near - measured) <= measured * RATE_BLUR ? near : measured;
}

/** Where the last packet of any track ends, on the container's clock. */
export function lastEnd(packets: readonly Packet[]): number {
  return packets.reduce(
    (end, { startSeconds, lengthSeconds }) => Math.max(end, (startSeconds ?? 0) + (lengthSeconds ?? 0)),
    0,
  );
}

function seconds(text: string | undefined): number | null {
  const value = text === undefined || text === '' ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
