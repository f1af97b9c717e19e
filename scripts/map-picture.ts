import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { importsOf } from '../testing/architecture.ts';
import { sourceFiles } from '../testing/source-files.ts';

/**
 * `npm run docs:map`: draws docs/map.svg, the rooms of the project and who imports whom, out of the imports themselves.
 * `--check` writes nothing and exits 1 where the picture is not up to date.
 */

/** From top to bottom: whoever stands higher may import what stands lower, never the other way round. */
const FLOORS: readonly (readonly string[])[] = [
  ['write-api', 'read-api', 'cli'],
  ['commands'],
  ['projections'],
  ['infra'],
  ['media', 'domain'],
];
const ROOM = { width: 132, height: 40, gapX: 26, gapY: 34 } as const;
const MARGIN = 16;
const TITLE = 46;
const WIDTH = 1_180;

type Room = { readonly name: string; readonly files: number; readonly knows: ReadonlySet<string> };
type Placed = Room & { readonly x: number; readonly y: number };
type House = { readonly name: string; readonly rooms: readonly Room[]; readonly knows: ReadonlySet<string> };

/** The folder right below its house that a file lies in, or '' for the files at the top of the house. */
function roomOf(path: string): { house: string; room: string } {
  const [house = '', room = ''] = path.split('/').slice(0, -1);
  return { house, room };
}

function readHouses(): ReadonlyMap<string, House> {
  const houses = new Map<string, { rooms: Map<string, { files: number; knows: Set<string> }>; knows: Set<string> }>();
  const names = FLOORS.flat();
  for (const file of sourceFiles().filter(({ path }) => !path.endsWith('.test.ts'))) {
    const { house, room } = roomOf(file.path);
    if (!names.includes(house)) continue;
    const at = houses.get(house) ?? { rooms: new Map(), knows: new Set() };
    houses.set(house, at);
    const own = at.rooms.get(room) ?? { files: 0, knows: new Set() };
    at.rooms.set(room, own);
    own.files += 1;
    for (const target of importsOf(file).map(roomOf)) {
      if (target.house === house) own.knows.add(target.room);
      else if (names.includes(target.house)) at.knows.add(target.house);
    }
  }
  return new Map(
    [...houses].map(([name, { rooms, knows }]) => [
      name,
      { name, knows, rooms: [...rooms].map(([room, rest]) => ({ name: room, ...rest })) },
    ]),
  );
}

/** How far above the lowest room it knows a room stands; the top files of a house stand above all. */
function levels(rooms: readonly Room[]): ReadonlyMap<string, number> {
  const inner = rooms.filter(({ name }) => name !== '');
  const found = new Map<string, number>();
  const levelOf = (room: Room, above: readonly string[]): number => {
    const known = found.get(room.name);
    if (known !== undefined) return known;
    const below = inner.filter(({ name }) => name !== room.name && room.knows.has(name) && !above.includes(name));
    const level = 1 + Math.max(-1, ...below.map((other) => levelOf(other, [...above, room.name])));
    found.set(room.name, level);
    return level;
  };
  for (const room of inner) levelOf(room, []);
  return found;
}

function placeRooms({ rooms }: House, width: number): { placed: Placed[]; height: number } {
  const perRow = Math.max(1, Math.floor((width - 2 * MARGIN + ROOM.gapX) / (ROOM.width + ROOM.gapX)));
  const byLevel = levels(rooms);
  const rows: Room[][] = [];
  for (let level = Math.max(-1, ...byLevel.values()); level >= 0; level -= 1) {
    const onIt = rooms.filter(({ name }) => byLevel.get(name) === level).sort((a, b) => a.name.localeCompare(b.name));
    for (let at = 0; at < onIt.length; at += perRow) rows.push(onIt.slice(at, at + perRow));
  }
  const placed = rows.flatMap((row, y) => {
    const left = (width - row.length * (ROOM.width + ROOM.gapX) + ROOM.gapX) / 2;
    return row.map((room, x) => ({
      ...room,
      x: left + x * (ROOM.width + ROOM.gapX),
      y: TITLE + y * (ROOM.height + ROOM.gapY),
    }));
  });
  return { placed, height: TITLE + rows.length * (ROOM.height + ROOM.gapY) - (rows.length > 0 ? ROOM.gapY : 0) + 14 };
}

/** The rooms that a room knows but through no other one: fewer arrows, the same order. */
function nearest(room: Room, byName: ReadonlyMap<string, Room>): string[] {
  const known = [...room.knows].filter((name) => name !== room.name && byName.has(name));
  const reached = (name: string, seen = new Set<string>()): Set<string> => {
    for (const next of byName.get(name)?.knows ?? []) {
      if (next === name || seen.has(next)) continue;
      seen.add(next);
      reached(next, seen);
    }
    return seen;
  };
  return known.filter((name) => !known.some((other) => other !== name && reached(other).has(name))).sort();
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function drawRoom({ name, files, x, y }: Placed): string {
  const middle = x + ROOM.width / 2;
  return `<rect class="room" x="${String(x)}" y="${String(y)}" width="${String(ROOM.width)}" height="${String(ROOM.height)}" rx="6"/>
<text x="${String(middle)}" y="${String(y + 17)}">${escaped(name)}</text><text class="count" x="${String(middle)}" y="${String(y + 32)}">${String(files)} ${files === 1 ? 'file' : 'files'}</text>`;
}

function drawArrow(from: Placed, to: Placed): string {
  const [x1, x2] = [from.x + ROOM.width / 2, to.x + ROOM.width / 2];
  const [y1, y2] =
    from.y < to.y ? [from.y + ROOM.height, to.y - 3] : [from.y + ROOM.height / 2, to.y + ROOM.height / 2];
  const bend = (y2 - y1) / 2;
  return `<path class="arrow" d="M${String(x1)} ${String(y1)} C${String(x1)} ${String(y1 + bend)} ${String(x2)} ${String(y2 - bend)} ${String(x2)} ${String(y2)}"/>`;
}

function drawHouse(house: House, box: { x: number; y: number; width: number; height: number }): string {
  const { placed } = placeRooms(house, box.width);
  const byName = new Map(placed.map((room) => [room.name, room]));
  const arrows = placed.flatMap((room) =>
    nearest(room, byName).flatMap((name) => {
      const target = byName.get(name);
      return target === undefined ? [] : [drawArrow(room, target)];
    }),
  );
  const top = house.rooms.find(({ name }) => name === '')?.files ?? 0;
  const heading = `${house.name}/ (${String(top)} at the top)`;
  const knows = house.knows.size === 0 ? 'imports nothing of ours' : `imports ${[...house.knows].sort().join(', ')}`;
  return `<g transform="translate(${String(box.x)} ${String(box.y)})">
<rect class="house" width="${String(box.width)}" height="${String(box.height)}" rx="10"/>
<text class="title" x="${String(MARGIN)}" y="20">${escaped(heading)}</text><text class="count" style="text-anchor: start" x="${String(MARGIN)}" y="34">${escaped(knows)}</text>
${[...arrows, ...placed.map(drawRoom)].join('\n')}
</g>`;
}

/** The whole picture as SVG; the same for the same imports. */
export function drawMap(): string {
  const houses = readHouses();
  const parts: string[] = [];
  let y = MARGIN;
  for (const floor of FLOORS) {
    const width = (WIDTH - MARGIN * (floor.length + 1)) / floor.length;
    const onIt = floor.flatMap((name) => houses.get(name) ?? []);
    const height = Math.max(...onIt.map((house) => placeRooms(house, width).height));
    onIt.forEach((house, at) => parts.push(drawHouse(house, { x: MARGIN + at * (width + MARGIN), y, width, height })));
    y += height + MARGIN;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(y)}" font-family="system-ui, sans-serif" font-size="13" text-anchor="middle">
<style>
.house { fill: #f6f4ef; stroke: #b9b2a3 } .room { fill: #ffffff; stroke: #6f7f8f } .title { font-weight: 600; text-anchor: start }
.count { font-size: 10px; fill: #666666 } .arrow { fill: none; stroke: #8aa0b5; stroke-width: 1.1; marker-end: url(#tip) }
</style>
<defs><marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 6 3 0 6z" fill="#8aa0b5"/></marker></defs>
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
}

if (import.meta.main) {
  const target = fileURLToPath(new URL('../docs/map.svg', import.meta.url));
  if (!process.argv.includes('--check')) writeFileSync(target, drawMap());
  else if (readFileSync(target, 'utf8') !== drawMap()) {
    console.error('docs/map.svg is not up to date: run npm run docs:map');
    process.exitCode = 1;
  }
}
