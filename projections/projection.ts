import type { DomainEvent, EventType } from '../domain/event-log.ts';
import type { Sql } from '../infra/postgres.ts';

/**
 * The PostgreSQL schemas and Redis key prefixes of the builds that readers use at this moment. A request resolves its
 * builds once, so that it never mixes two.
 */
export type Builds = {
  /**
   * The quoted schema of a projection's build, for `${builds.schema('posts')}.post`. Throws for a projection without a
   * build.
   */
  schema(projection: string): string;
  /** The key prefix of a Redis projection's build. */
  prefix(projection: string): string;
  /** The id of a projection's build, by which its checkpoint is known. */
  id(projection: string): number;
};

/** What a read query needs. Queries are plain functions `(read, ...) => Promise<rows>` in the projection's own file. */
export type ReadContext = { readonly sql: Sql; readonly builds: Builds };

/**
 * A read model in PostgreSQL. `apply` gets a batch in log order, only of the types in `handles`, each event exactly
 * once, inside the transaction that also moves the checkpoint. It writes set-based (one statement for each table,
 * UNNEST), is deterministic (no clock, no random, no side effect) and touches only its own schema, so that a rebuild
 * gives the same rows.
 */
export type PostgresProjection = {
  readonly store: 'postgres';
  readonly name: string;
  /** Raised with every change of shape or meaning; a new version is built beside the old one. */
  readonly version: number;
  readonly handles: readonly EventType[];
  /** DDL for an empty build; `schema` is already quoted. */
  readonly ddl: (schema: string) => string;
  /** `schema` is quoted; `tx` is the batch's transaction. */
  readonly apply: (tx: Sql, schema: string, events: readonly DomainEvent[]) => Promise<void>;
  /** What `verify` compares: each table with its key columns and the columns that must be equal. */
  readonly tables: readonly VerifiedTable[];
};

export type VerifiedTable = {
  readonly table: string;
  readonly key: readonly string[];
  readonly columns: readonly string[];
};
