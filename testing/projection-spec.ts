import { randomUUID } from 'node:crypto';
import { definitionOf, type AnyEvent, type EventType } from '../domain/event-log.ts';
import { Position, START_OF_LOG } from '../domain/position.ts';
import type { JsonObject, RecordedEvent } from '../domain/recorded-event.ts';
import type { DataKeys } from '../infra/vault/personal-data.ts';
import { openPool, type Pool } from '../infra/postgres.ts';
import { applyShare, shareOf, type Fed } from '../projections/runner/apply-batch.ts';
import { createBuild, quoted } from '../projections/builds/build-store.ts';
import { takeIn } from '../projections/runner/decoding.ts';
import type { PostgresProjection, ReadContext } from '../projections/projection.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { createTestDatabase } from './postgres.ts';

/** A fact for a projection to be told; `at` is an ISO time, by default one second after the fact before it. */
export type Fact = {
  readonly type: EventType;
  readonly data: Record<string, unknown>;
  readonly at: string | undefined;
  readonly owners?: readonly string[];
  readonly schemaVersion?: number;
};

export type DataOf<T extends EventType> = Extract<AnyEvent, { type: T }>['data'];

/** Says that something happened: `happened('AccountFollowed', { followerId, followeeId })`. */
export function happened<T extends EventType>(type: T, data: DataOf<T>, at?: string): Fact {
  return { type, data, at };
}

/** The whole contents of a build's tables, by table, rows in the order of their keys. */
export type Contents = Readonly<Record<string, readonly Record<string, unknown>[]>>;

/** What a history made of a projection: its tables, and a context for its read queries. */
export type Projected = { readonly tables: Contents; readonly read: ReadContext };

export type ProjectionSpec = {
  /**
   * Projects a history in every way that may occur and fails when any two end in different tables: event by event, each
   * event delivered twice, all in one batch, in batches of `splits`, and as a rebuild after the erasures in it, when
   * the personal data of erased accounts read null from the first event on.
   */
  project(history: readonly Fact[], splits?: readonly number[]): Promise<Projected>;
  close(): Promise<void>;
};

const STORE_ID = '00000000-0000-4000-8000-000000000001';
const FIRST_EVENT_MS = Date.parse('2026-01-01T00:00:00.000Z');
const NO_KEYS: DataKeys = { forAccounts: async () => new Map() };

/** A database of its own for the tests of one projection; close it when they are done. */
export async function openProjectionSpec(projection: PostgresProjection): Promise<ProjectionSpec> {
  const database = await createTestDatabase();
  const pool = openPool(database.url, { size: 4, name: 'projection-spec' });
  await prepareProjectionTables(pool);
  return {
    project: (history, splits) => projectEveryWay({ pool, projection }, history, splits ?? [1, 2, 3, 5]),
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

type Spec = { readonly pool: Pool; readonly projection: PostgresProjection };

async function projectEveryWay(spec: Spec, history: readonly Fact[], splits: readonly number[]): Promise<Projected> {
  const log = history.map(record);
  const single = log.map((event) => [event]);
  const live = await projectBatches(spec, single);
  const ways: Record<string, RecordedEvent[][]> = {
    'each event delivered twice': single.flatMap((batch) => [batch, batch]),
    'all in one batch': log.length === 0 ? [] : [log],
    'a batch delivered again with more behind it': log.map((_, end) => log.slice(Math.max(0, end - 2), end + 1)),
    'batches of several events': split(log, splits),
    'rebuilt after the erasures': split(forgetErased(log), [1_000]),
  };
  for (const [way, batches] of Object.entries(ways)) {
    const other = await projectBatches(spec, batches);
    const difference = firstDifference(live.tables, other.tables);
    if (difference !== undefined)
      throw new Error(`${spec.projection.name}: ${way} differs from one event at a time: ${difference}`);
  }
  return live;
}

async function projectBatches({ pool, projection }: Spec, batches: readonly RecordedEvent[][]): Promise<Projected> {
  const build = await createBuild(pool, { projection, storeId: STORE_ID, state: 'side' });
  const fed: Fed = {
    build,
    projection,
    handled: new Set<string>(projection.handles),
    position: START_OF_LOG,
    events: 0,
  };
  for (const [first, ...others] of batches) {
    if (first === undefined) continue;
    const share = shareOf(fed, await takeIn([first, ...others], fed.handled, NO_KEYS));
    if (share !== undefined) await applyShare(pool, fed, share);
  }
  const schema = quoted(build.location);
  const builds = { schema: () => schema, prefix: () => build.location, id: () => build.id };
  return { tables: await contentsOf(pool, projection, schema), read: { sql: pool, builds } };
}

async function contentsOf(pool: Pool, projection: PostgresProjection, schema: string): Promise<Contents> {
  const tables: Record<string, Record<string, unknown>[]> = {};
  for (const { table, key, columns } of projection.tables) {
    const { rows } = await pool.query<Record<string, unknown>>(
      `select ${[...key, ...columns].join(', ')} from ${schema}.${table} order by ${key.join(', ')}`,
    );
    tables[table] = rows;
  }
  return tables;
}

function record(fact: Fact, index: number): RecordedEvent {
  const stored = storedFact(fact, index);
  return {
    ...stored,
    streamId: `spec-${String(index)}`,
    revision: 0n,
    position: Position.parse((index + 1).toString(16).padStart(32, '0')),
    id: randomUUID(),
    createdAt: new Date(FIRST_EVENT_MS),
  };
}

/** A fact as it stands in the log, personal data unsealed; `index` decides its time when it says none. */
export function storedFact(fact: Fact, index: number): { type: string; data: JsonObject; metadata: JsonObject } {
  const definition = definitionOf(fact.type);
  if (definition === undefined) throw new Error(`${fact.type} is not an event of the domain`);
  const occurredAt = fact.at ?? new Date(FIRST_EVENT_MS + index * 1_000).toISOString();
  return {
    type: fact.type,
    data: JSON.parse(JSON.stringify(fact.data)),
    metadata: {
      $correlationId: 'spec',
      $causationId: 'spec',
      commandId: randomUUID(),
      actorId: 'system',
      owners: [...(fact.owners ?? accountsIn(fact))],
      occurredAt,
      schemaVersion: fact.schemaVersion ?? definition.version,
    },
  };
}

// Whoever an event names must see it: more lanes than the commands choose, and never too few.
function accountsIn({ data }: Fact): string[] {
  return [...new Set(Object.values(data).filter((value) => typeof value === 'string' && value.startsWith('acc_')))]
    .map(String)
    .slice(0, 4);
}

// As the vault gives it once a data key is emptied: null wherever the subject's personal data stood.
function forgetErased(log: readonly RecordedEvent[]): RecordedEvent[] {
  const data = (event: RecordedEvent) => event.data as Record<string, unknown>;
  const erased = new Set(log.filter(({ type }) => type === 'AccountErased').map((event) => data(event)['accountId']));
  return log.map((event) => {
    const definition = definitionOf(event.type);
    if (definition?.subject === undefined || !erased.has(data(event)[definition.subject])) return event;
    const present = definition.personal.filter((field) => field in data(event));
    return { ...event, data: { ...data(event), ...Object.fromEntries(present.map((field) => [field, null])) } };
  });
}

function split<T>(items: readonly T[], sizes: readonly number[]): T[][] {
  const batches: T[][] = [];
  for (let start = 0; start < items.length; start += batches.at(-1)?.length ?? 1) {
    batches.push(items.slice(start, start + Math.max(1, sizes[batches.length % sizes.length] ?? 1)));
  }
  return batches;
}

function firstDifference(live: Contents, other: Contents): string | undefined {
  for (const [table, rows] of Object.entries(live)) {
    const otherRows = other[table] ?? [];
    for (let i = 0; i < Math.max(rows.length, otherRows.length); i += 1) {
      const [one, two] = [JSON.stringify(rows[i]), JSON.stringify(otherRows[i])];
      if (one !== two) return `${table} row ${String(i)}: ${one ?? 'none'} against ${two ?? 'none'}`;
    }
  }
  return undefined;
}
