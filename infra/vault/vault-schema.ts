import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Transaction } from '../postgres.ts';

/** Never edit a migration that was released: add the next one. Breaking ones say so in their first line. */
const MIGRATIONS: readonly string[] = [
  `create table vault.canary (
     one boolean primary key default true check (one),
     sealed bytea not null);
   create table vault.data_key (
     account_id text collate "C" primary key,
     wrapped bytea,
     created_at timestamptz not null default now(),
     erased_at timestamptz,
     check ((wrapped is null) = (erased_at is not null)));
   create table vault.hmac_key (
     name text primary key,
     wrapped bytea not null);
   create table vault.credential (
     account_id text collate "C" primary key,
     password_hash text not null,
     changed_at timestamptz not null);
   create table vault.session (
     session_id uuid primary key,
     account_id text collate "C" not null,
     began_at timestamptz not null,
     expires_at timestamptz not null,
     ended_at timestamptz);
   create index session_account on vault.session (account_id);
   create index session_expiry on vault.session (expires_at);
   create table vault.refresh_token (
     token_hash bytea primary key,
     session_id uuid not null references vault.session on delete cascade,
     expires_at timestamptz not null,
     used_by uuid);
   create index refresh_token_session on vault.refresh_token (session_id);
   create table vault.idempotency (
     scope text collate "C" not null,
     route text collate "C" not null,
     key text collate "C" not null,
     command_id uuid not null,
     body_mac bytea not null,
     claimed_until timestamptz not null,
     answer bytea,
     created_at timestamptz not null,
     primary key (scope, route, key));
   create index idempotency_age on vault.idempotency (created_at)`,
  // Who comes with a token that was just used is given its successor again.
  `alter table vault.refresh_token add column used_at timestamptz, add column successor bytea;
   create index refresh_token_successor on vault.refresh_token (used_at) where successor is not null`,
];

const Applied = z.array(z.object({ number: z.int(), digest: z.string() }));

/**
 * Brings the schema `vault` to the newest version, in the caller's transaction, which must hold the vault's lock.
 * Throws when a migration was edited after it ran, or when the database is newer than the program.
 */
export async function migrateVault(tx: Transaction): Promise<void> {
  await tx.query('create schema if not exists vault');
  await tx.query(
    'create table if not exists vault.migration (number int primary key, digest text not null, applied_at timestamptz not null default now())',
  );
  const applied = Applied.parse((await tx.query('select number, digest from vault.migration order by number')).rows);
  if (applied.length > MIGRATIONS.length)
    throw new Error(
      `the vault has migration ${String(applied.length)}, this program knows ${String(MIGRATIONS.length)}: upgrade the program`,
    );
  for (const [index, sql] of MIGRATIONS.entries()) {
    const digest = createHash('sha256').update(sql).digest('hex');
    const known = applied[index];
    if (known !== undefined && known.digest !== digest)
      throw new Error(`migration ${String(index + 1)} of the vault was edited after it ran`);
    if (known !== undefined) continue;
    await tx.query(sql);
    await tx.query('insert into vault.migration (number, digest) values ($1, $2)', [index + 1, digest]);
  }
}
