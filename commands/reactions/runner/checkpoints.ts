import { z } from 'zod';
import { definitionOf } from '../../../domain/event-log.ts';
import { Position, START_OF_LOG } from '../../../domain/position.ts';
import type { EventStore } from '../../../infra/event-store/event-store.ts';
import { inTransaction, type Pool, type Sql } from '../../../infra/postgres.ts';
import type { Reaction } from '../reaction.ts';

/** Serializes the set-up of several processes that start at once; any fixed number of ours will do. */
const SETUP_LOCK = 7_320_461;

const DDL = `
create schema if not exists reactions;
create table if not exists reactions.checkpoint (
  reaction text collate "C" primary key,
  store_id uuid not null,
  position text collate "C" not null,
  moved_at timestamptz not null default now()
);
create table if not exists reactions.empty_log (store_id uuid primary key, noted_at timestamptz not null default now());
create table if not exists reactions.restored_log (store_id uuid primary key, position text collate "C" not null, noted_at timestamptz not null default now());
create table if not exists reactions.dead_letter (
  id uuid primary key,
  reaction text collate "C" not null,
  subject text collate "C" not null,
  event_id uuid not null,
  reason text not null,
  attempts int not null,
  parked_at timestamptz not null default now(),
  context jsonb not null
);
-- When others were told of it, where there is somebody to tell.
alter table reactions.dead_letter add column if not exists announced_at timestamptz;`;

/** Where a reaction without a checkpoint begins on a log that holds events: at its first one, or after its newest. */
export type ReactionsFrom = 'start' | 'end';

/** Starting now could repeat or skip side effects, so somebody must decide; the message says how. */
export class ReactorRefusedError extends Error {
  override readonly name = 'ReactorRefusedError';
}

/** Somebody else has moved this reaction's checkpoint: what was being done here must stop. */
export class CheckpointMovedError extends Error {
  override readonly name = 'CheckpointMovedError';
}

/** Creates the tables of the reactor and of its reactions that are missing. */
export async function prepareReactionTables(pool: Pool, reactions: readonly Reaction[]): Promise<void> {
  await inTransaction(pool, async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [SETUP_LOCK]);
    await tx.query([DDL, ...reactions.map(({ ddl }) => ddl ?? '')].join('\n'));
  });
}

/**
 * Notes a log that holds no event of ours yet, so that a reactor that starts later, after the first events, still
 * begins at its beginning. For every process that can append the first event; call it before serving.
 */
export async function noteEmptyLog(pool: Pool, store: EventStore): Promise<void> {
  await prepareReactionTables(pool, []);
  if (await isEmpty(store))
    await pool.query('insert into reactions.empty_log (store_id) values ($1) on conflict do nothing', [store.storeId]);
}

/**
 * Notes that the log up to its present end was restored from an archive: what it tells was reacted to where it first
 * happened, so reactions begin behind it.
 */
export async function noteRestoredLog(pool: Pool, store: EventStore): Promise<void> {
  await prepareReactionTables(pool, []);
  await pool.query(
    'insert into reactions.restored_log (store_id, position) values ($1, $2) on conflict (store_id) do update set position = excluded.position',
    [store.storeId, await store.head()],
  );
}

/**
 * Gives each reaction without a checkpoint one: behind what was restored from an archive, at the start of a log that
 * was seen empty while no reaction had run yet, where the reaction itself begins, else where `from` says. Throws
 * ReactorRefusedError when `from` is needed and absent, and when a checkpoint belongs to another log.
 */
export async function plantCheckpoints(
  pool: Pool,
  store: EventStore,
  reactions: readonly Reaction[],
  from: ReactionsFrom | undefined,
): Promise<void> {
  const empty = await isEmpty(store);
  const head = await store.head();
  await inTransaction(pool, async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [SETUP_LOCK]);
    const known = await storesByReaction(tx);
    const missing = reactions.filter(({ name }) => known.get(name) !== store.storeId);
    if (missing.length === 0) return;
    const isFirstRun = known.size === 0;
    // Only the first reactions on the restored log: one that a later release adds has to be asked about.
    const restored = [...known.values()].includes(store.storeId) ? undefined : await restoredUpTo(tx, store.storeId);
    const fallback = empty || (isFirstRun && (await wasSeenEmpty(tx, store.storeId))) ? 'start' : from;
    const startOf = (where: ReactionsFrom | undefined) =>
      restored ?? (where === 'start' ? START_OF_LOG : where === 'end' ? head : undefined);
    const refused = missing.filter(({ begins }) => startOf(fallback ?? begins) === undefined).map(({ name }) => name);
    if (refused.length > 0)
      throw refusal(
        refused,
        refused.some((name) => known.has(name)),
      );
    await tx.query(
      `insert into reactions.checkpoint (reaction, store_id, position) select name, $2, position from unnest($1::text[], $3::text[]) as planted (name, position)
       on conflict (reaction) do update set store_id = excluded.store_id, position = excluded.position, moved_at = now()`,
      [missing.map(({ name }) => name), store.storeId, missing.map(({ begins }) => startOf(fallback ?? begins))],
    );
  });
}

function refusal(names: readonly string[], isOtherLog: boolean): ReactorRefusedError {
  const why = isOtherLog
    ? 'have their checkpoints in another log'
    : 'have no checkpoint in a log that holds events already';
  return new ReactorRefusedError(
    `the reactions ${names.join(', ')} ${why}: set REACTIONS_FROM=end to react only to what comes, or REACTIONS_FROM=start to react to everything again`,
  );
}

async function isEmpty(store: EventStore): Promise<boolean> {
  for await (const { type } of store.readAll()) if (definitionOf(type) !== undefined) return false;
  return true;
}

async function wasSeenEmpty(sql: Sql, storeId: string): Promise<boolean> {
  return (await sql.query('select 1 from reactions.empty_log where store_id = $1', [storeId])).rows.length > 0;
}

async function restoredUpTo(sql: Sql, storeId: string): Promise<Position | undefined> {
  const { rows } = await sql.query<{ position: unknown }>(
    'select position from reactions.restored_log where store_id = $1',
    [storeId],
  );
  return rows[0] === undefined ? undefined : Position.parse(rows[0].position);
}

const StoreRow = z.object({ reaction: z.string(), store_id: z.string() });

async function storesByReaction(sql: Sql): Promise<Map<string, string>> {
  const { rows } = await sql.query<Record<string, unknown>>('select reaction, store_id from reactions.checkpoint');
  return new Map(rows.map((row) => StoreRow.parse(row)).map(({ reaction, store_id }) => [reaction, store_id]));
}

/** One reaction's place in the log, held by the runner that follows it. */
export type HeldCheckpoint = {
  readonly start: Position;
  /** Remembers a place for the next write; does not write. */
  pass(position: Position): void;
  /** Writes the last place that was passed. Throws CheckpointMovedError when somebody else has moved it meanwhile. */
  flush(): Promise<void>;
};

/** Takes up a reaction's checkpoint. Writes are compare-and-set, one after the other. */
export async function holdCheckpoint(sql: Sql, reaction: string, storeId: string): Promise<HeldCheckpoint> {
  const { rows } = await sql.query<{ position: unknown }>(
    'select position from reactions.checkpoint where reaction = $1 and store_id = $2',
    [reaction, storeId],
  );
  const start = Position.parse(rows[0]?.position);
  let written = start;
  let passed = start;
  let writing: Promise<void> = Promise.resolve();
  const write = async () => {
    const [from, to] = [written, passed];
    if (from === to) return;
    const moved = await sql.query(
      'update reactions.checkpoint set position = $4, moved_at = now() where reaction = $1 and store_id = $2 and position = $3',
      [reaction, storeId, from, to],
    );
    if (moved.rowCount !== 1) throw new CheckpointMovedError(`the checkpoint of ${reaction} is no longer at ${from}`);
    written = to;
  };
  return {
    start,
    pass: (position) => {
      passed = position;
    },
    flush: () => {
      writing = writing.catch(() => undefined).then(write);
      return writing;
    },
  };
}
