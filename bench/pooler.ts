import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { PostId, type AccountId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { openPool, type Pool } from '../infra/postgres.ts';
import { postCards } from '../projections/queries/post-cards.ts';
import { postFacts } from '../projections/queries/post-views.ts';
import type { ReadContext } from '../projections/projection.ts';
import { viewerTaste } from '../projections/queries/viewer-taste.ts';
import { pgBouncerForTests, startPgBouncer } from '../testing/pgbouncer.ts';
import { evenGraph } from './feed/graph.ts';
import { createModels, writeGraph } from './feed/models.ts';
import { writePosts } from './feed/posts.ts';

const RESULTS = new URL('results/', import.meta.url);
const ROUNDS = 9;
const CALLS = 200;
const PAGE = 20;

type Way = { readonly name: string; readonly pool: Pool };
type Read = {
  readonly name: string;
  readonly ask: (read: ReadContext, viewer: AccountId, posts: readonly PostId[]) => Promise<unknown>;
};

/** The hot reads of a feed's page that are prepared where the server is reached itself. */
const READS: readonly Read[] = [
  { name: 'what may be seen of a page', ask: postFacts },
  { name: 'cards of a page', ask: postCards },
  { name: "a viewer's taste", ask: (read, viewer) => viewerTaste(read, viewer, new Date()) },
];

/**
 * Measures what hot reads take prepared, not prepared, and not prepared through a PgBouncer in transaction mode, one at
 * a time. Prints a table and writes `bench/results/pooler.md`.
 */
export async function run(): Promise<void> {
  const program = pgBouncerForTests();
  if (program === undefined) return;
  const models = await createModels({ storeId: '00000000-0000-4000-8000-000000000001' });
  const pooler = await startPgBouncer(program, models.url);
  const ways: Way[] = [
    { name: 'prepared', pool: openPool(models.url, { size: 1, name: 'bench' }) },
    { name: 'not prepared', pool: openPool(models.url, { size: 1, name: 'bench', prepares: false }) },
    { name: 'not prepared, PgBouncer', pool: openPool(pooler.url, { size: 1, name: 'bench', pooled: true }) },
  ];
  try {
    const graph = evenGraph({ accounts: 2_000, followers: 500, each: 40 });
    await writeGraph(models, graph, new Set());
    await writePosts(models, graph, 10, new Date());
    const { rows } = await models.pool.query<{ id: string }>(
      `select post_id as id from ${models.builds.schema('posts')}.post order by hashtext(post_id) limit 2000`,
    );
    const posts = rows.map(({ id }) => PostId.parse(id));
    const report = describe(
      await measure({ ways, builds: models.builds, viewers: graph.accounts.slice(0, 500), posts }),
    );
    await mkdir(RESULTS, { recursive: true });
    await writeFile(new URL('pooler.md', RESULTS), report);
    console.log(report);
  } finally {
    for (const { pool } of ways) await pool.end();
    await pooler.close();
    await models.close();
  }
}

type World = {
  readonly ways: readonly Way[];
  readonly builds: ReadContext['builds'];
  readonly viewers: readonly AccountId[];
  readonly posts: readonly PostId[];
};
type Taken = { readonly read: string; readonly ms: readonly number[] };

/**
 * The median round of each read in each way; the ways take turns, so that a machine that others use bends all of them.
 */
async function measure({ ways, builds, viewers, posts }: World): Promise<Taken[]> {
  const taken: Taken[] = [];
  for (const { name, ask } of READS) {
    const rounds = ways.map((): number[] => []);
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const [i, { pool }] of ways.entries()) {
        const ms = await timed((call) =>
          ask(
            { sql: pool, builds },
            viewers[call % viewers.length] ?? newId.account(),
            posts.slice(call * 5, call * 5 + PAGE),
          ),
        );
        rounds[i]?.push(ms);
      }
    }
    // The first round warms up.
    taken.push({
      read: name,
      ms: rounds.map(([, ...all]) => all.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN),
    });
  }
  return taken;
}

// Milliseconds of a call.
async function timed(ask: (call: number) => Promise<unknown>): Promise<number> {
  const since = performance.now();
  for (let call = 0; call < CALLS; call += 1) await ask(call);
  return (performance.now() - since) / CALLS;
}

function describe(taken: readonly Taken[]): string {
  return `# Behind a pooler

Milliseconds that hot reads of a feed take, one at a time: the median of ${String(ROUNDS)} rounds of ${String(CALLS)}, the ways in turns. 2,000 accounts that follow 40 each, 20,000 posts, pages of ${String(PAGE)}.

| read | prepared | not prepared | not prepared, PgBouncer |
|---|--:|--:|--:|
${taken.map(({ read, ms }) => `| ${read} | ${ms.map((each) => each.toFixed(2)).join(' | ')} |`).join('\n')}

${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}.
`;
}
