import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { foldRows, writeFolded } from './fold.ts';

type Picture = {
  id: string;
  title: string;
  likes: number;
  tags: readonly string[];
  size: { readonly wide: number; readonly shape?: { readonly round: boolean } } | null;
  seen: Date | null;
};
type Told = { readonly id: string; readonly change: Partial<Picture> };

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 2, name: 'fold' });
  await pool.query(
    'create table picture (id text primary key, title text not null, likes int not null, tags text[] not null, size jsonb, seen timestamptz)',
  );
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const into = { table: 'picture', key: ['id'] };
const step = (row: Picture | undefined, { id, change }: Told): Picture => ({
  ...(row ?? { id, title: 'untitled', likes: 0, tags: [], size: null, seen: null }),
  ...change,
});
const fold = (events: readonly Told[]) =>
  foldRows<Picture, Told>(pool, { table: 'picture', key: 'id', keyOf: ({ id }) => id, step }, events);
const rows = async () => (await pool.query<Picture>('select * from picture order by id')).rows;

it('a batch begins rows and changes others, with values of every kind', async () => {
  const seen = new Date('2026-05-01T10:00:00.123Z');
  await writeFolded(
    pool,
    into,
    await fold([
      { id: 'a', change: {} },
      { id: 'b', change: { title: 'Sea "and" \\ sky', tags: ['x'] } },
    ]),
  );
  await writeFolded(
    pool,
    into,
    await fold([
      { id: 'a', change: { size: { wide: 3, shape: { round: true } } } },
      { id: 'b', change: { tags: ['y, z', 'null'], seen } },
      { id: 'c', change: { likes: 1 } },
      { id: 'a', change: { likes: 7 } },
    ]),
  );
  expect(await rows()).toEqual([
    { id: 'a', title: 'untitled', likes: 7, tags: [], size: { wide: 3, shape: { round: true } }, seen: null },
    { id: 'b', title: 'Sea "and" \\ sky', likes: 0, tags: ['y, z', 'null'], size: null, seen },
    { id: 'c', title: 'untitled', likes: 1, tags: [], size: null, seen: null },
  ]);
  await writeFolded(
    pool,
    into,
    await fold([
      { id: 'a', change: { size: null } },
      { id: 'b', change: { seen: null, tags: [] } },
    ]),
  );
  expect(await rows()).toMatchObject([
    { id: 'a', size: null, likes: 7 },
    { id: 'b', seen: null, tags: [] },
    { id: 'c' },
  ]);
});

it('of a row that was there only what changed is written, and nothing when nothing did', async () => {
  await writeFolded(pool, into, await fold([{ id: 'd', change: { title: 'Old' } }]));
  const folded = await fold([{ id: 'd', change: { likes: 2 } }]);
  await pool.query(`update picture set title = 'New' where id = 'd'`);
  await writeFolded(pool, into, folded);
  expect((await rows()).find(({ id }) => id === 'd')).toMatchObject({ title: 'New', likes: 2 });
  const version = async () =>
    (await pool.query<{ version: string }>(`select xmin::text as version from picture where id = 'd'`)).rows[0]
      ?.version;
  const before = await version();
  await writeFolded(pool, into, await fold([{ id: 'd', change: { likes: 2 } }]));
  expect(await version()).toBe(before);
});
