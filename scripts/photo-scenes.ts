/** A repeatable source of numbers from 0 up to 1. */
export type Chance = () => number;

/** The canvas that a scene fills. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly chance: Chance;
}

type Scene = (canvas: Canvas) => string;

/** The scenes that there are: each answers the inside of an SVG document. */
export const SCENES: readonly Scene[] = [mountains, sea, city, bokeh, dunes, forest, meadow, aurora];

/** Mulberry32: the same seed gives the same numbers on every machine. */
export function seededChance(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function mountains(canvas: Canvas): string {
  const hue = 190 + canvas.chance() * 60;
  const layers = [0.42, 0.54, 0.66, 0.8].map((top, depth) =>
    ridge(canvas, {
      top,
      height: 0.2 - depth * 0.03,
      colour: hsl(hue, 28 + depth * 6, 62 - depth * 14),
      rough: 9 + depth * 3,
    }),
  );
  return sky(canvas, hsl(hue, 55, 58), hsl(hue - 160, 70, 84)) + sun(canvas, 0.3, hsl(42, 95, 88)) + layers.join('');
}

function sea(canvas: Canvas): string {
  const hue = 8 + canvas.chance() * 40;
  const glints = repeat(70, () => {
    const y = 0.6 + canvas.chance() ** 2 * 0.4;
    const wide = (0.02 + (y - 0.6) * 0.3) * canvas.width;
    return `<rect x="${n(canvas.chance() * canvas.width)}" y="${n(y * canvas.height)}" width="${n(wide)}" height="${n(canvas.height * 0.004)}" rx="3" fill="${hsl(hue + 20, 90, 75)}" opacity="${n(0.2 + canvas.chance() * 0.5)}"/>`;
  });
  const water = `<rect y="${n(canvas.height * 0.58)}" width="100%" height="50%" fill="${hsl(hue + 190, 45, 30)}"/>`;
  return (
    sky(canvas, hsl(hue + 220, 45, 38), hsl(hue, 90, 68)) + sun(canvas, 0.5, hsl(hue + 25, 100, 82)) + water + glints
  );
}

function city(canvas: Canvas): string {
  const towers = repeat(26, (index) => {
    const wide = canvas.width * (0.04 + canvas.chance() * 0.05);
    const tall = canvas.height * (0.2 + canvas.chance() * 0.5);
    const x = (index / 26) * canvas.width * 1.05 - wide / 2;
    const lights = repeat(
      40,
      () =>
        `<rect x="${n(x + canvas.chance() * wide * 0.9)}" y="${n(canvas.height - canvas.chance() * tall)}" width="${n(wide * 0.07)}" height="${n(wide * 0.1)}" fill="${hsl(38 + canvas.chance() * 20, 95, 70)}" opacity="${n(0.3 + canvas.chance() * 0.7)}"/>`,
    );
    return `<rect x="${n(x)}" y="${n(canvas.height - tall)}" width="${n(wide)}" height="${n(tall)}" fill="${hsl(230, 25, 9 + canvas.chance() * 10)}"/>${lights}`;
  });
  return sky(canvas, hsl(232, 60, 12), hsl(280 + canvas.chance() * 60, 55, 42)) + stars(canvas, 120, 0.5) + towers;
}

function bokeh(canvas: Canvas): string {
  const hue = canvas.chance() * 360;
  const spots = repeat(55, () =>
    spot(canvas, { hue: hue + canvas.chance() * 90, low: 0, size: 0.02 + canvas.chance() * 0.1 }),
  );
  return sky(canvas, hsl(hue, 50, 14), hsl(hue + 50, 60, 30)) + spots;
}

function dunes(canvas: Canvas): string {
  const hue = 24 + canvas.chance() * 16;
  const layers = [0.5, 0.6, 0.72, 0.86].map((top, depth) =>
    ridge(canvas, { top, height: 0.13, colour: hsl(hue - depth * 3, 62, 70 - depth * 13), rough: 3 + depth }),
  );
  return sky(canvas, hsl(205, 70, 52), hsl(40, 80, 88)) + sun(canvas, 0.22, hsl(50, 100, 93)) + layers.join('');
}

function forest(canvas: Canvas): string {
  const hue = 130 + canvas.chance() * 50;
  const rows = [0.62, 0.76, 0.92].map(
    (base, depth) =>
      repeat(24, () => {
        const x = canvas.chance() * canvas.width;
        const tall = canvas.height * (0.22 + canvas.chance() * 0.16 + depth * 0.08);
        const half = tall * 0.19;
        const foot = base * canvas.height + canvas.height * 0.12;
        return `<path d="M${n(x - half)} ${n(foot)}L${n(x)} ${n(foot - tall)}L${n(x + half)} ${n(foot)}Z" fill="${hsl(hue, 34, 44 - depth * 15 + canvas.chance() * 5)}"/>`;
      }) +
      `<rect y="${n((base + 0.1) * canvas.height)}" width="100%" height="50%" fill="${hsl(hue, 34, 42 - depth * 15)}"/>`,
  );
  return sky(canvas, hsl(hue + 40, 40, 66), hsl(55, 60, 90)) + sun(canvas, 0.25, hsl(52, 90, 94)) + rows.join('');
}

function meadow(canvas: Canvas): string {
  const hill = ridge(canvas, { top: 0.55, height: 0.1, colour: hsl(96, 42, 42), rough: 3 });
  const blades = repeat(260, () => {
    const x = canvas.chance() * canvas.width;
    const y = (0.66 + canvas.chance() * 0.36) * canvas.height;
    return `<path d="M${n(x)} ${n(y)}q${n(canvas.width * 0.004)} ${n(-canvas.height * 0.04)} ${n((canvas.chance() - 0.3) * canvas.width * 0.02)} ${n(-canvas.height * 0.07)}" stroke="${hsl(80 + canvas.chance() * 40, 50, 28 + canvas.chance() * 24)}" stroke-width="${n(canvas.width * 0.002)}" fill="none"/>`;
  });
  const hue = canvas.chance() * 360;
  const flowers = repeat(70, () =>
    spot(canvas, { hue: hue + canvas.chance() * 60, low: 0.66, size: 0.004 + canvas.chance() * 0.008 }),
  );
  return sky(canvas, hsl(208, 75, 60), hsl(200, 70, 90)) + sun(canvas, 0.18, '#fffbe6') + hill + blades + flowers;
}

function aurora(canvas: Canvas): string {
  const bands = repeat(7, (index) => {
    const hue = 130 + canvas.chance() * 120;
    const x = (index / 7) * canvas.width;
    const bend = (canvas.chance() - 0.5) * canvas.width * 0.5;
    return `<path d="M${n(x)} 0q${n(bend)} ${n(canvas.height * 0.35)} ${n(bend * 0.4)} ${n(canvas.height * 0.72)}" stroke="${hsl(hue, 80, 62)}" stroke-width="${n(canvas.width * (0.05 + canvas.chance() * 0.06))}" fill="none" opacity="0.34" filter="url(#soft)"/>`;
  });
  const soft = `<filter id="soft" x="-50%" y="-20%" width="200%" height="140%"><feGaussianBlur stdDeviation="${n(canvas.width / 60)}"/></filter>`;
  const land = ridge(canvas, { top: 0.78, height: 0.1, colour: hsl(220, 30, 8), rough: 8 });
  return soft + sky(canvas, hsl(225, 60, 9), hsl(200, 50, 24)) + stars(canvas, 220, 0.75) + bands + land;
}

function sky(canvas: Canvas, top: string, bottom: string): string {
  const tilt = n(canvas.chance() * 0.2);
  return `<linearGradient id="sky" x1="${tilt}" x2="0" y1="0" y2="0.75"><stop offset="0" stop-color="${top}"/><stop offset="1" stop-color="${bottom}"/></linearGradient><rect width="100%" height="100%" fill="url(#sky)"/>`;
}

function sun(canvas: Canvas, height: number, colour: string): string {
  const place = `cx="${n((0.2 + canvas.chance() * 0.6) * canvas.width)}" cy="${n(height * canvas.height)}"`;
  return [7, 3.4, 1]
    .map(
      (size, ring) =>
        `<circle ${place} r="${n(canvas.height * 0.05 * size)}" fill="${colour}" opacity="${n([0.1, 0.2, 0.95][ring] ?? 1)}"/>`,
    )
    .join('');
}

function ridge(
  canvas: Canvas,
  { top, height, colour, rough }: { top: number; height: number; colour: string; rough: number },
): string {
  const phase = [0, 0, 0].map(() => canvas.chance() * 9);
  const points = repeat(65, (index) => {
    const at = index / 64;
    const wave = phase.reduce(
      (sum, start, octave) => sum + Math.sin(start + at * rough * (octave + 1)) / (octave + 1.5),
      0,
    );
    return `L${n(at * canvas.width)} ${n((top - wave * height * 0.5) * canvas.height)}`;
  });
  return `<path d="M0 ${n(canvas.height)}${points}L${n(canvas.width)} ${n(canvas.height)}Z" fill="${colour}"/>`;
}

function stars(canvas: Canvas, count: number, depth: number): string {
  return repeat(
    count,
    () =>
      `<circle cx="${n(canvas.chance() * canvas.width)}" cy="${n(canvas.chance() * canvas.height * depth)}" r="${n(canvas.width * 0.0004 + canvas.chance() * canvas.width * 0.001)}" fill="#fff" opacity="${n(0.3 + canvas.chance() * 0.7)}"/>`,
  );
}

function spot(canvas: Canvas, { hue, low, size }: { hue: number; low: number; size: number }): string {
  const y = low + canvas.chance() * (1 - low);
  return `<circle cx="${n(canvas.chance() * canvas.width)}" cy="${n(y * canvas.height)}" r="${n(size * canvas.width)}" fill="${hsl(hue, 85, 66)}" opacity="${n(0.25 + canvas.chance() * 0.5)}"/>`;
}

function repeat(count: number, draw: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => draw(index)).join('');
}

function hsl(hue: number, saturation: number, lightness: number): string {
  return `hsl(${n(((hue % 360) + 360) % 360)},${n(saturation)}%,${n(Math.min(97, Math.max(3, lightness)))}%)`;
}

/** Three decimals: enough for any canvas, and the same text everywhere. */
function n(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
