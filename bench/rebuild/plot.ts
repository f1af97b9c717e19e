/** A point of the plot: how many events, and how many seconds they took. */
export type Point = { readonly events: number; readonly seconds: number };

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = 56;

/** Draws times over sizes as SVG, with the straight line through nothing and the largest point for comparison. */
export function plotTimes(title: string, series: Readonly<Record<string, readonly Point[]>>): string {
  const points = Object.values(series).flat();
  const [most, longest] = [
    Math.max(...points.map(({ events }) => events)),
    Math.max(...points.map(({ seconds }) => seconds)),
  ];
  const x = (events: number) => MARGIN + (events / most) * (WIDTH - 2 * MARGIN);
  const y = (seconds: number) => HEIGHT - MARGIN - (seconds / longest) * (HEIGHT - 2 * MARGIN);
  const colours = ['#1f6feb', '#d1242f', '#1a7f37', '#8250df'];
  const drawn = Object.entries(series).map(([name, line], i) => {
    const colour = colours[i % colours.length] ?? 'black';
    const last = line.at(-1) ?? { events: 0, seconds: 0 };
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${line.map((point) => `${x(point.events).toFixed(1)},${y(point.seconds).toFixed(1)}`).join(' ')}"/>
${line.map((point) => `<circle cx="${x(point.events).toFixed(1)}" cy="${y(point.seconds).toFixed(1)}" r="3" fill="${colour}"><title>${String(point.events)} events, ${point.seconds.toFixed(1)} s</title></circle>`).join('\n')}
<line x1="${x(0)}" y1="${y(0)}" x2="${x(last.events).toFixed(1)}" y2="${y(last.seconds).toFixed(1)}" stroke="${colour}" stroke-dasharray="3 4" opacity="0.6"/>
<text x="${String(MARGIN + 8)}" y="${String(MARGIN + 18 * i)}" fill="${colour}">${name}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(HEIGHT)}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="${String(WIDTH / 2)}" y="24" text-anchor="middle" font-size="14">${title}</text>
<path d="M${String(MARGIN)} ${String(MARGIN)} V${String(HEIGHT - MARGIN)} H${String(WIDTH - MARGIN)}" fill="none" stroke="black"/>
<text x="${String(WIDTH - MARGIN)}" y="${String(HEIGHT - MARGIN + 18)}" text-anchor="end">${most.toLocaleString('en')} events</text>
<text x="${String(MARGIN - 6)}" y="${String(MARGIN)}" text-anchor="end">${longest.toFixed(0)} s</text>
${drawn.join('\n')}
</svg>
`;
}
