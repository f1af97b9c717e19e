import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { inTransaction, type Pool, type Transaction } from '../postgres.ts';
import { createCredentials, type Credentials } from './vault-credentials.ts';
import { createDataKeys, type DataKeyStore } from './vault-data-keys.ts';
import { createIdempotencyStore, type IdempotencyStore } from './vault-idempotency.ts';
import { nameHashes, type NameHashes } from './vault-names.ts';
import { migrateVault } from './vault-schema.ts';
import { forgetSuccessors } from './vault-refresh.ts';
import { createSessions, type Sessions } from './vault-sessions.ts';
import { masterKeyWrapping, type Wrapping } from './vault-wrapping.ts';

/** The only state that is not derived from the log: secrets, each kind behind a small interface of its own. */
export type Vault = {
  readonly keys: DataKeyStore;
  readonly names: NameHashes;
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  /** Records answers under Idempotency-Keys; `isCode` knows the refusal codes of the API that uses it. */
  idempotency<Code extends string>(isCode: (code: string) => code is Code): IdempotencyStore<Code>;
  /** Deletes what has run out: sessions and recorded answers. Safe at any time, in any number of processes. */
  sweep(): Promise<void>;
};

/** The master key is not the one that this vault was made with. */
export class WrongMasterKeyError extends Error {
  override readonly name = 'WrongMasterKeyError';
}

const CANARY = 'canary';
const Sealed = z.array(z.object({ sealed: z.instanceof(Buffer) }));

/**
 * Opens the vault in the pool's database: makes or migrates its schema and proves the master key (32 bytes in base64).
 * Several processes may start at once. Throws WrongMasterKeyError instead of making everybody look erased.
 */
export async function openVault({ pool, masterKey }: { pool: Pool; masterKey: string }): Promise<Vault> {
  const wrapping = masterKeyWrapping(Buffer.from(masterKey, 'base64'));
  const { names, answers } = await inTransaction(pool, async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(hashtext('shutterlog.vault'))`);
    await migrateVault(tx);
    await proveMasterKey(tx, wrapping);
    return { names: await hmacKey(tx, wrapping, 'names'), answers: await hmacKey(tx, wrapping, 'request-bodies') };
  });
  return {
    keys: createDataKeys(pool, wrapping),
    names: nameHashes(names),
    credentials: createCredentials(pool),
    sessions: createSessions(pool),
    idempotency: (isCode) => createIdempotencyStore({ pool, wrapping, macKey: answers, isCode }),
    async sweep() {
      await pool.query('delete from vault.session where expires_at < now()');
      await pool.query(`delete from vault.refresh_token where expires_at < now()`);
      await forgetSuccessors(pool, new Date());
      await pool.query(`delete from vault.idempotency where created_at < now() - interval '24 hours'`);
    },
  };
}

async function proveMasterKey(tx: Transaction, wrapping: Wrapping): Promise<void> {
  await tx.query('insert into vault.canary (sealed) values ($1) on conflict do nothing', [
    wrapping.wrap(Buffer.from(CANARY), CANARY),
  ]);
  await unsealCanary(tx, wrapping);
}

/** Throws WrongMasterKeyError unless the master key (32 bytes in base64) opens the vault as the transaction sees it. */
export async function openCanary(tx: Transaction, masterKey: string): Promise<void> {
  await unsealCanary(tx, masterKeyWrapping(Buffer.from(masterKey, 'base64')));
}

async function unsealCanary(tx: Transaction, wrapping: Wrapping): Promise<void> {
  const canary = Sealed.parse((await tx.query('select sealed from vault.canary')).rows)[0];
  try {
    if (canary !== undefined && wrapping.unwrap(canary.sealed, CANARY).toString() === CANARY) return;
  } catch (error) {
    throw new WrongMasterKeyError('MASTER_KEY does not open this vault: start with the key that it was made with', {
      cause: error,
    });
  }
  throw new WrongMasterKeyError('the canary of the vault is not what it should be');
}

async function hmacKey(tx: Transaction, wrapping: Wrapping, name: string): Promise<Buffer> {
  const purpose = `hmac-key/${name}`;
  await tx.query('insert into vault.hmac_key (name, wrapped) values ($1, $2) on conflict do nothing', [
    name,
    wrapping.wrap(randomBytes(32), purpose),
  ]);
  const row = Sealed.parse(
    (await tx.query('select wrapped as sealed from vault.hmac_key where name = $1', [name])).rows,
  )[0];
  if (row === undefined) throw new Error(`the vault has no ${name} key`);
  return wrapping.unwrap(row.sealed, purpose);
}
