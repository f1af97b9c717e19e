import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../domain/position.ts';
import { openEventStore, type EventStore, type NewEvent } from '../infra/event-store/event-store.ts';
import { startEventStoreNode, type EventStoreNode } from '../infra/event-store-node/server.ts';
import { createLog, type Log } from '../infra/process/log.ts';
import type { DataKeys } from '../infra/vault/personal-data.ts';
import { openPool, wayOf, type Pool } from '../infra/postgres.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { createTestDatabase } from './postgres.ts';
import { storedFact, type Fact } from './projection-spec.ts';

/** A log and a database of their own, for tests of what runs between the two. */
export type ProjectorWorld = {
  readonly node: EventStoreNode;
  readonly store: EventStore;
  readonly pool: Pool;
  /** PostgreSQL itself, whatever the pool goes through. */
  readonly databaseUrl: string;
  readonly keys: DataKeys;
  readonly log: Log;
  /** Appends facts in order and gives the position of the last. */
  append(...facts: Fact[]): Promise<Position>;
  close(): Promise<void>;
};

const FACTS_PER_APPEND = 200;

/** Opens a pooler in front of a database. */
export type Through = (databaseUrl: string) => Promise<{ readonly url: string; close(): Promise<void> }>;

/**
 * Starts an embedded event store and makes a database with the projections' own tables; \`through\` a pooler, if one is
 * given.
 */
export async function openProjectorWorld({ through }: { through?: Through | undefined } = {}): Promise<ProjectorWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'shutterlog-log-'));
  const node = await startEventStoreNode({ dataDir: directory });
  const store = await openEventStore(node.url);
  const database = await createTestDatabase();
  const pooler = await through?.(database.url);
  const way =
    pooler === undefined
      ? { DATABASE_URL: database.url }
      : { DATABASE_URL: pooler.url, DATABASE_LISTEN_URL: database.url };
  const pool = openPool(way.DATABASE_URL, { ...wayOf(way), size: 12, name: 'projector-world' });
  await prepareProjectionTables(pool);
  return {
    node,
    store,
    pool,
    databaseUrl: database.url,
    keys: { forAccounts: async () => new Map() },
    log: createLog({ process: 'test', level: process.env['TEST_LOG_LEVEL'] ?? 'silent' }),
    append: (...facts) => appendFacts(store, facts),
    close: async () => {
      await store.close();
      await node.close();
      await pool.end();
      await pooler?.close();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Appends facts in order, many in one append, and gives the position of the last. */
export async function appendFacts(store: EventStore, facts: readonly Fact[]): Promise<Position> {
  let position = await store.head();
  for (let start = 0; start < facts.length; start += FACTS_PER_APPEND) {
    const events = facts.slice(start, start + FACTS_PER_APPEND).map((fact, index): NewEvent => {
      const { type, data, metadata } = storedFact(fact, start + index);
      return { id: randomUUID(), type, data, metadata };
    });
    ({ position } = await store.append(`facts-${randomUUID()}`, 'no_stream', events));
  }
  return position;
}

/** Waits until a condition holds; fails with `what` after `limitMs`. */
export async function eventually(
  what: string,
  condition: () => Promise<boolean> | boolean,
  limitMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${String(limitMs)} ms: ${what}`);
    await delay(5);
  }
}
