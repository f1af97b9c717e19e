import { inTransaction, type Pool } from '../../infra/postgres.ts';

const SCHEMA_LOCK = 'shutterlog projections schema';

/**
 * Creates the tables in which projections keep their builds, checkpoints, lanes, settings and dead letters, unless they
 * are there. Safe from several processes at once.
 */
export async function prepareProjectionTables(pool: Pool): Promise<void> {
  await inTransaction(pool, async (tx) => {
    // "if not exists" alone still fails when two processes create at the same moment.
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [SCHEMA_LOCK]);
    await tx.query('create schema if not exists projections');
    await tx.query(
      'create table if not exists projections.migration (number int primary key, applied_at timestamptz not null default now())',
    );
    const { rows } = await tx.query<{ number: number }>('select number from projections.migration');
    for (const [index, statements] of MIGRATIONS.entries()) {
      if (rows.some(({ number }) => number === index + 1)) continue;
      await tx.query(statements);
      await tx.query('insert into projections.migration (number) values ($1)', [index + 1]);
    }
  });
}

const FIRST_TABLES = `

-- One incarnation of a read model: a PostgreSQL schema or a Redis key prefix (location) made by one version of its code.
create table if not exists projections.build (
  id int generated always as identity primary key,
  projection text collate "C" not null,
  version int not null,
  store text not null check (store in ('postgres', 'redis')),
  state text not null check (state in ('building', 'live', 'previous', 'side', 'dropped')),
  location text collate "C" not null unique,
  store_id uuid not null,
  created_at timestamptz not null default now(),
  state_since timestamptz not null default now(),
  -- A side build ends here.
  until_position text collate "C",
  -- A build on Redis: its keys are filled up to its lanes' positions, so lanes may feed it.
  filled boolean not null default false,
  -- The event that a runner gave up on, with its error.
  stopped jsonb,
  -- The schema or the keys are gone.
  removed_at timestamptz
);
create unique index if not exists build_building on projections.build (projection) where state = 'building';
create unique index if not exists build_live on projections.build (projection) where state = 'live';
create unique index if not exists build_previous on projections.build (projection) where state = 'previous';

-- The one row that tells readers which builds to use, so that any number of models flip in one update.
create table if not exists projections.live_builds (
  one boolean primary key default true check (one),
  builds jsonb not null,
  flipped_at timestamptz not null default now()
);
insert into projections.live_builds (builds) values ('{}') on conflict do nothing;

-- How far a build has come: the position of the last event that it has handled or passed over, and how many events of
-- the log that makes.
create table if not exists projections.checkpoint (
  build_id int primary key references projections.build on delete cascade,
  store_id uuid not null,
  position text collate "C" not null,
  events bigint not null default 0,
  moved_at timestamptz not null default now()
) with (fillfactor = 40);

-- How far each lane of a build on Redis has come; the epoch fences an earlier owner of the lane.
create table if not exists projections.lane (
  build_id int not null references projections.build on delete cascade,
  lane smallint not null,
  store_id uuid not null,
  position text collate "C" not null,
  epoch bigint not null default 0,
  moved_at timestamptz not null default now(),
  primary key (build_id, lane)
) with (fillfactor = 40);

-- What operators decided about a projection; no row means the defaults.
create table if not exists projections.setting (
  projection text collate "C" primary key,
  paused boolean not null default false,
  on_poison text not null default 'stop' check (on_poison in ('stop', 'park'))
);

-- Events that an operator let a build pass over.
create table if not exists projections.dead_letter (
  build_id int not null references projections.build on delete cascade,
  event_id uuid not null,
  projection text collate "C" not null,
  stream_id text collate "C" not null,
  type text not null,
  position text collate "C" not null,
  error text not null,
  attempts int not null,
  parked_at timestamptz not null default now(),
  primary key (build_id, event_id)
);`;

const TEMPORARY_BUILDS = `
-- Made to be compared with a live build, and of no use once nobody feeds it.
alter table projections.build add column temporary boolean not null default false;`;

const RELAY = `
-- Up to where each log has been published to Kafka; the epoch fences an earlier relay.
create table projections.relay (
  store_id uuid primary key,
  position text collate "C" not null,
  epoch bigint not null default 0,
  moved_at timestamptz not null default now()
) with (fillfactor = 40);`;

const SKIPPED_EVENTS = `
-- Events that an operator said a projection may pass over when it cannot apply them.
create table projections.skip (
  projection text collate "C" not null,
  event_id uuid not null,
  noted_at timestamptz not null default now(),
  primary key (projection, event_id)
);`;

const RELAY_TOLD = `
-- Up to where each partition, by its number, was told of the log; null: up to the position, all of them.
alter table projections.relay add column told text[];`;

const INCARNATION = `
-- Unlogged, so that recovery from a crash empties it, and a standby that takes over has it empty: who finds another id than
-- before, or none, knows that commits which had not reached the disk may have been taken back.
create unlogged table projections.incarnation (
  one boolean primary key default true check (one),
  id uuid not null default gen_random_uuid()
);`;

// Never changed once released: a change is a new one at the end.
const MIGRATIONS = [FIRST_TABLES, TEMPORARY_BUILDS, SKIPPED_EVENTS, RELAY, RELAY_TOLD, INCARNATION];
