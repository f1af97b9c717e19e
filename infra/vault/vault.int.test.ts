import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { newId } from '../ids.ts';
import type { IdempotencyVerdict } from '../http/services.ts';
import { openPool, type Pool } from '../postgres.ts';
import { openVault, WrongMasterKeyError, type Vault } from './vault.ts';
import { REFRESH_GRACE_MS, REFRESH_TOKEN_MS } from './vault-refresh.ts';

const masterKey = randomBytes(32).toString('base64');
const now = new Date('2026-01-01T00:00:00Z');
let database: TestDatabase;
let pool: Pool;
let vault: Vault;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 10, name: 'vault-test' });
  vault = await openVault({ pool, masterKey });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('opening the vault', () => {
  it('may happen in many processes at once on an empty database', async () => {
    const own = await createTestDatabase();
    const pools = Array.from({ length: 8 }, () => openPool(own.url, { size: 2, name: 'vault-test' }));
    const vaults = await Promise.all(pools.map((each) => openVault({ pool: each, masterKey })));
    expect(new Set(vaults.map(({ names }) => names.username('ann'))).size).toBe(1);
    await Promise.all(pools.map((each) => each.end()));
    await own.drop();
  });

  it('stops under another master key', async () => {
    await expect(openVault({ pool, masterKey: randomBytes(32).toString('base64') })).rejects.toThrow(
      WrongMasterKeyError,
    );
  });

  it('stops when a migration was edited or the database is newer', async () => {
    const own = await createTestDatabase();
    const other = openPool(own.url, { size: 2, name: 'vault-test' });
    await openVault({ pool: other, masterKey });
    await other.query(`update vault.migration set digest = 'x' where number = 1`);
    await expect(openVault({ pool: other, masterKey })).rejects.toThrow('was edited');
    await other.query(`insert into vault.migration (number, digest) values (99, 'x')`);
    await expect(openVault({ pool: other, masterKey })).rejects.toThrow('upgrade the program');
    await other.end();
    await own.drop();
  });
});

describe('data keys', () => {
  it('are made once and found in batches, also after a restart', async () => {
    const [ann, bob] = [newId.account(), newId.account()];
    await Promise.all([vault.keys.create(ann), vault.keys.create(ann), vault.keys.create(bob)]);
    const first = await vault.keys.forAccounts(new Set([ann, bob]));
    expect(first.get(ann)).toHaveLength(32);
    expect(first.get(ann)).not.toEqual(first.get(bob));
    const restarted = await openVault({ pool, masterKey });
    expect(await restarted.keys.forAccounts(new Set([ann, bob]))).toEqual(first);
  });

  it('read as null once they are emptied, and are never made again', async () => {
    const ann = newId.account();
    await vault.keys.create(ann);
    await vault.keys.forAccounts(new Set([ann]));
    await vault.keys.empty(ann, now);
    await vault.keys.empty(ann, new Date());
    await vault.keys.create(ann);
    expect((await vault.keys.forAccounts(new Set([ann]))).get(ann)).toBeNull();
    const { rows } = await pool.query('select wrapped, erased_at from vault.data_key where account_id = $1', [ann]);
    expect(rows).toEqual([{ wrapped: null, erased_at: now }]);
  });

  it('are an error when they are missing', async () => {
    const nobody = newId.account();
    await expect(vault.keys.forAccounts(new Set([nobody]))).rejects.toThrow(`no data key for ${nobody}`);
  });

  it('are an error when they were moved to another account', async () => {
    const [ann, bob] = [newId.account(), newId.account()];
    await Promise.all([vault.keys.create(ann), vault.keys.create(bob)]);
    await pool.query(
      'update vault.data_key set wrapped = (select wrapped from vault.data_key where account_id = $1) where account_id = $2',
      [ann, bob],
    );
    await expect(vault.keys.forAccounts(new Set([bob]))).rejects.toThrow('does not open with this master key');
  });
});

describe('name hashes', () => {
  it('are the same in any case and differ by kind', () => {
    expect(vault.names.username('Ann')).toBe(vault.names.username(' ann '));
    expect(vault.names.email('ANN@example.com')).toBe(vault.names.email('ann@example.com'));
    expect(vault.names.email('ann')).not.toBe(vault.names.username('ann'));
  });
});

describe('sessions', () => {
  const begin = async () => {
    const [id, account] = [randomUUID(), newId.account()];
    await vault.sessions.begin(id, account, now);
    const issued = await vault.sessions.issue(id, now);
    return { id, account, token: issued!.refreshToken };
  };

  it('hand out a new refresh token for each old one', async () => {
    const { id, account, token } = await begin();
    expect(await vault.sessions.rotate(token, randomUUID(), now)).toEqual({
      kind: 'rotated',
      sessionId: id,
      accountId: account,
    });
    const next = await vault.sessions.successorOf(token, now);
    expect(next?.refreshToken).not.toBe(token);
    expect((await vault.sessions.rotate(next!.refreshToken, randomUUID(), now)).kind).toBe('rotated');
  });

  const afterGrace = new Date(now.getTime() + REFRESH_GRACE_MS);

  it('end, with all their tokens, when an old token comes again', async () => {
    const { id, token } = await begin();
    await vault.sessions.rotate(token, randomUUID(), now);
    const next = await vault.sessions.successorOf(token, now);
    expect(await vault.sessions.rotate(token, randomUUID(), afterGrace)).toEqual({ kind: 'reused', sessionId: id });
    expect(await vault.sessions.rotate(next!.refreshToken, randomUUID(), now)).toEqual({ kind: 'ended' });
    expect(await vault.sessions.issue(id, now)).toBeUndefined();
    expect(await vault.sessions.isAlive(id, now)).toBe(false);
  });

  it('give all users of a token the same successor for ten seconds, and go on', async () => {
    const { id, account, token } = await begin();
    const rotated = await Promise.all(Array.from({ length: 8 }, () => vault.sessions.rotate(token, randomUUID(), now)));
    expect(rotated).toEqual(Array.from({ length: 8 }, () => ({ kind: 'rotated', sessionId: id, accountId: account })));
    const soon = new Date(afterGrace.getTime() - 1);
    const next = await vault.sessions.successorOf(token, now);
    expect(next).toMatchObject({ accountId: account, issuedAt: now });
    expect(await vault.sessions.successorOf(token, soon)).toEqual(next);
    // Also when one of them has gone on by then.
    expect((await vault.sessions.rotate(next!.refreshToken, randomUUID(), now)).kind).toBe('rotated');
    expect((await vault.sessions.rotate(token, randomUUID(), soon)).kind).toBe('rotated');
    expect(await vault.sessions.isAlive(id, now)).toBe(true);
    expect(await vault.sessions.successorOf(token, afterGrace)).toBeUndefined();
    expect((await pool.query('select 1 from vault.refresh_token where session_id = $1', [id])).rowCount).toBe(3);
  });

  it('give no successor once they have ended, nor to a token that was not used', async () => {
    const { id, token } = await begin();
    expect(await vault.sessions.successorOf(token, now)).toBeUndefined();
    await vault.sessions.rotate(token, randomUUID(), now);
    await vault.sessions.end(id, now);
    expect(await vault.sessions.successorOf(token, now)).toBeUndefined();
    expect(await vault.sessions.rotate(token, randomUUID(), now)).toEqual({ kind: 'ended' });
  });

  it('let the same command use a token again, so that a lost answer can be fetched', async () => {
    const { id, token } = await begin();
    const command = randomUUID();
    await vault.sessions.rotate(token, command, now);
    expect((await vault.sessions.rotate(token, command, afterGrace)).kind).toBe('rotated');
    expect(await vault.sessions.isAlive(id, now)).toBe(true);
  });

  it('run out when nobody refreshes them', async () => {
    const { id, token } = await begin();
    const later = new Date(now.getTime() + REFRESH_TOKEN_MS);
    expect(await vault.sessions.rotate(token, randomUUID(), later)).toEqual({ kind: 'expired' });
    expect(await vault.sessions.isAlive(id, later)).toBe(false);
    expect(await vault.sessions.issue(id, later)).toBeUndefined();
  });

  it('know no token that they did not issue', async () => {
    expect(await vault.sessions.rotate('made up', randomUUID(), now)).toEqual({ kind: 'unknown' });
  });

  it('end all at once but for a spared one, and leave other accounts alone', async () => {
    const [one, other] = [await begin(), await begin()];
    const spared = randomUUID();
    await vault.sessions.begin(spared, one.account, now);
    await vault.sessions.endAll(one.account, now, spared);
    expect(await Promise.all([one.id, spared, other.id].map((id) => vault.sessions.isAlive(id, now)))).toEqual([
      false,
      true,
      true,
    ]);
    await vault.sessions.endAll(one.account, now);
    expect(await vault.sessions.isAlive(spared, now)).toBe(false);
  });

  it('keep no refresh token in the clear', async () => {
    const { token } = await begin();
    await vault.sessions.rotate(token, randomUUID(), now);
    const { refreshToken } = (await vault.sessions.successorOf(token, now))!;
    const { rows } = await pool.query<{ row: string }>(
      "select t::text || coalesce(encode(t.successor, 'escape'), '') || coalesce(encode(t.successor, 'base64'), '') as row from vault.refresh_token t",
    );
    for (const secret of [token, refreshToken])
      expect(rows.some(({ row }) => row.includes(secret) || row.includes(Buffer.from(secret).toString('hex')))).toBe(
        false,
      );
  });

  it('forget a successor when its time of grace is over', async () => {
    const { token } = await begin();
    await vault.sessions.rotate(token, randomUUID(), new Date(Date.now() - REFRESH_GRACE_MS));
    await vault.sweep();
    const { rows } = await pool.query(
      "select 1 from vault.refresh_token where successor is not null and used_at < now() - interval '10 seconds'",
    );
    expect(rows).toEqual([]);
  });
});

describe('idempotency', () => {
  type Code = 'refused_here';
  const isCode = (code: string): code is Code => code === 'refused_here';
  const claim = (fingerprint = 'body') => ({ scope: newId.account(), route: 'POST /v1/posts', key: 'k', fingerprint });
  const asFirst = (verdict: IdempotencyVerdict<Code>) => {
    if (verdict.kind !== 'first') throw new Error(`the verdict is ${verdict.kind}`);
    return verdict;
  };
  const store = () => vault.idempotency(isCode);

  it('gives a repeat the first answer', async () => {
    const mine = claim();
    const answer = {
      ok: true,
      status: 201,
      body: { post_id: 'p', caption: 'a secret' },
      headers: { 'Consistency-Token': 't' },
      seed: 's',
    } as const;
    await asFirst(await store().begin(mine)).finish(answer);
    expect(await store().begin(mine)).toEqual({ kind: 'repeat', answer });
    const { rows } = await pool.query<{ row: string }>('select i::text as row from vault.idempotency i');
    expect(rows.some(({ row }) => row.includes(Buffer.from('a secret').toString('hex')))).toBe(false);
  });

  it('gives a repeat the first refusal', async () => {
    const mine = claim();
    const answer = { ok: false, refusal: { code: 'refused_here', detail: 'why' } } as const;
    await asFirst(await store().begin(mine)).finish(answer);
    expect(await store().begin(mine)).toEqual({ kind: 'repeat', answer });
  });

  it('lets exactly one of many concurrent requests run', async () => {
    const mine = claim();
    const kinds = (await Promise.all(Array.from({ length: 12 }, () => store().begin(mine)))).map(({ kind }) => kind);
    expect(kinds.toSorted()).toEqual(['first', ...Array.from({ length: 11 }, () => 'running')]);
  });

  it('tells another body from a repeat, while it runs and afterwards', async () => {
    const mine = claim();
    const first = asFirst(await store().begin(mine));
    expect((await store().begin({ ...mine, fingerprint: 'other' })).kind).toBe('other_body');
    await first.finish({ ok: true, status: 200, headers: {} });
    expect((await store().begin({ ...mine, fingerprint: 'other' })).kind).toBe('other_body');
  });

  it('keeps accounts, routes and keys apart', async () => {
    const mine = claim();
    await store().begin(mine);
    for (const other of [
      { ...mine, scope: newId.account() },
      { ...mine, route: 'PUT /v1/posts' },
      { ...mine, key: 'l' },
    ]) {
      expect((await store().begin(other)).kind).toBe('first');
    }
  });

  it('runs again under the same command id when the first run failed or died', async () => {
    const mine = claim();
    const first = asFirst(await store().begin(mine));
    await first.abandon();
    const second = asFirst(await store().begin(mine));
    expect(second.commandId).toBe(first.commandId);
    await pool.query(`update vault.idempotency set claimed_until = now() - interval '1 second' where scope = $1`, [
      mine.scope,
    ]);
    expect(asFirst(await store().begin(mine)).commandId).toBe(first.commandId);
  });

  it('forgets after 24 hours', async () => {
    const mine = claim();
    const first = asFirst(await store().begin(mine));
    await first.finish({ ok: true, status: 200, headers: {} });
    await pool.query(`update vault.idempotency set created_at = now() - interval '25 hours' where scope = $1`, [
      mine.scope,
    ]);
    const second = asFirst(await store().begin({ ...mine, fingerprint: 'other' }));
    expect(second.commandId).not.toBe(first.commandId);
    await pool.query(`update vault.idempotency set created_at = now() - interval '25 hours' where scope = $1`, [
      mine.scope,
    ]);
    await vault.sweep();
    expect((await pool.query('select 1 from vault.idempotency where scope = $1', [mine.scope])).rowCount).toBe(0);
  });

  it('forgets what an account sent', async () => {
    const mine = claim();
    await store().begin(mine);
    await store().forget(mine.scope);
    expect((await store().begin(mine)).kind).toBe('first');
  });
});
