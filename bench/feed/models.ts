import type { AccountId } from '../../domain/ids.ts';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { codeVersions, laneProjections, postgresProjections } from '../../projections/catalog.ts';
import { resolveBuilds } from '../../projections/builds/builds.ts';
import { ensureLiveBuild } from '../../projections/builds/switch-over.ts';
import type { Builds } from '../../projections/projection.ts';
import { prepareProjectionTables } from '../../projections/builds/schema.ts';
import { createTestDatabase } from '../../testing/postgres.ts';
import type { Graph } from './graph.ts';

/** A database with empty models, into which a benchmark writes the world that it wants to find there. */
export type Models = { readonly url: string; readonly pool: Pool; readonly builds: Builds; close(): Promise<void> };

/** Makes a database with a live build of every model. */
export async function createModels(store: Pick<EventStore, 'storeId'>): Promise<Models> {
  const database = await createTestDatabase();
  const pool = openPool(database.url, { size: 8, name: 'bench', statementTimeoutMs: 600_000 });
  await prepareProjectionTables(pool);
  for (const projection of [...postgresProjections, ...laneProjections])
    await ensureLiveBuild(pool, { projection, storeId: store.storeId });
  return {
    url: database.url,
    pool,
    builds: await resolveBuilds(pool, codeVersions),
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

const ROWS_AT_ONCE = 50_000;

/** Writes accounts and follows as the projections would; `celebrities` have that status. */
export async function writeGraph(
  { pool, builds }: Models,
  graph: Graph,
  celebrities: ReadonlySet<AccountId>,
): Promise<void> {
  await inPortions(graph.accounts, async (ids) => {
    await pool.query(
      `insert into ${builds.schema('accounts')}.account (account_id, username, full_name, is_private, is_celebrity, was_celebrity, is_verified, status, registered_at)
       select id, substr(id, 5), 'Somebody', false, star, star, false, 'active', now() from unnest($1::text[], $2::boolean[]) as t (id, star)`,
      [ids, ids.map((id) => celebrities.has(id))],
    );
  });
  const idAt = (place: number) => graph.accounts[place] ?? '';
  await inPortions(graph.follows, async (pairs) => {
    await pool.query(
      `insert into ${builds.schema('follows')}.follow (follower_id, followee_id, since) select a, b, now() from unnest($1::text[], $2::text[]) as t (a, b)`,
      [pairs.map(([follower]) => idAt(follower)), pairs.map(([, followee]) => idAt(followee))],
    );
  });
  await pool.query(
    `insert into ${builds.schema('follows')}.follow_count
     select account_id, coalesce((select count(*) from ${builds.schema('follows')}.follow where followee_id = account_id), 0), coalesce((select count(*) from ${builds.schema('follows')}.follow where follower_id = account_id), 0)
     from ${builds.schema('accounts')}.account`,
  );
  await pool.query('vacuum analyze');
}

/** Calls `write` with portions of a list. */
export async function inPortions<T>(all: readonly T[], write: (portion: readonly T[]) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += ROWS_AT_ONCE) await write(all.slice(at, at + ROWS_AT_ONCE));
}
