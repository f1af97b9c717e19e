/** A bar of a plot. */
export type Bar = { readonly label: string; readonly value: number };

const WIDTH = 760;
const ROW = 30;
const LABEL = 250;
const HEAD = 34;

/** Horizontal bars under titles as an SVG picture; each group has its own scale. */
export function barPlot(
  groups: readonly { readonly title: string; readonly unit: string; readonly bars: readonly Bar[] }[],
): string {
  let y = 0;
  const parts: string[] = [];
  for (const { title, unit, bars } of groups) {
    parts.push(`<text x="8" y="${String(y + 22)}" font-weight="bold">${escaped(title)}</text>`);
    const most = Math.max(...bars.map(({ value }) => value));
    for (const [i, { label, value }] of bars.entries()) {
      const top = y + HEAD + i * ROW;
      const length = Math.round(((WIDTH - LABEL - 110) * value) / most);
      parts.push(
        `<text x="8" y="${String(top + 15)}">${escaped(label)}</text>`,
        `<rect x="${String(LABEL)}" y="${String(top)}" width="${String(length)}" height="20" fill="#3b6ea5"/>`,
        `<text x="${String(LABEL + length + 6)}" y="${String(top + 15)}">${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)} ${escaped(unit)}</text>`,
      );
    }
    y += HEAD + bars.length * ROW + 12;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${String(WIDTH)}" height="${String(y)}" font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
