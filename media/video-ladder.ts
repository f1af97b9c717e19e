/** One quality of a video. `shortSide` names it: 720 is 1280 × 720 lying and 720 × 1280 standing. */
export interface Rung {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly maxBitsPerSecond: number;
}

const LADDER = [
  { shortSide: 240, maxBitsPerSecond: 400_000 },
  { shortSide: 360, maxBitsPerSecond: 800_000 },
  { shortSide: 480, maxBitsPerSecond: 1_400_000 },
  { shortSide: 720, maxBitsPerSecond: 2_800_000 },
  { shortSide: 1080, maxBitsPerSecond: 5_000_000 },
] as const;

/**
 * The qualities that a source gives, smallest first: never larger than itself, and itself when it is smaller than all.
 */
export function rungsFor(source: { readonly width: number; readonly height: number }): Rung[] {
  const short = Math.min(source.width, source.height);
  const fitting = LADDER.filter(({ shortSide }) => shortSide <= short);
  const chosen = fitting.length > 0 ? fitting : [{ shortSide: short, maxBitsPerSecond: 300_000 }];
  return chosen.map(({ shortSide, maxBitsPerSecond }) => {
    const factor = shortSide / short;
    return {
      name: `${String(shortSide)}p`,
      width: even(source.width * factor),
      height: even(source.height * factor),
      maxBitsPerSecond,
    };
  });
}

/** The codec halves the resolution of colour, so both sides are even; rounding down never enlarges. */
function even(length: number): number {
  return Math.max(2, Math.floor(Math.round(length) / 2) * 2);
}
