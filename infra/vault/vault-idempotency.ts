import { createHmac, timingSafeEqual } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { IdempotencyClaim, IdempotencyVerdict, RecordedAnswer } from '../http/services.ts';
import { inTransaction, type Pool, type Transaction } from '../postgres.ts';
import type { Wrapping } from './vault-wrapping.ts';

/** Longer than any request may run; a claim that is older belongs to a process that died. */
const CLAIM = "interval '60 seconds'";
const KEPT = "interval '24 hours'";

const Row = z.object({
  command_id: z.uuid(),
  body_mac: z.instanceof(Buffer),
  answer: z.instanceof(Buffer).nullable(),
  claimed: z.boolean(),
  old: z.boolean(),
});
const Stored = z.union([
  z.object({
    ok: z.literal(true),
    status: z.int(),
    body: z.unknown().optional(),
    headers: z.record(z.string(), z.string()),
    seed: z.string().optional(),
  }),
  z.object({ ok: z.literal(false), refusal: z.object({ code: z.string(), detail: z.string().optional() }) }),
]);

/** Remembers requests by their Idempotency-Key for 24 h; answers are kept sealed, bodies only as a keyed hash. */
export type IdempotencyStore<Code extends string> = {
  begin(claim: IdempotencyClaim): Promise<IdempotencyVerdict<Code>>;
  /** Forgets what an account sent; for erasing it. */
  forget(scope: string): Promise<void>;
};

type Store<Code extends string> = {
  readonly pool: Pool;
  readonly wrapping: Wrapping;
  readonly macKey: Buffer;
  readonly isCode: (code: string) => code is Code;
};

/**
 * Reads and writes vault.idempotency. `isCode` tells which refusal codes the program still knows: a recorded answer
 * with another one (after an upgrade) is an error.
 */
export function createIdempotencyStore<Code extends string>(store: Store<Code>): IdempotencyStore<Code> {
  return {
    begin: (claim) => begin(store, claim),
    async forget(scope) {
      await store.pool.query('delete from vault.idempotency where scope = $1', [scope]);
    },
  };
}

async function begin<Code extends string>(
  store: Store<Code>,
  claim: IdempotencyClaim,
): Promise<IdempotencyVerdict<Code>> {
  const mac = createHmac('sha256', store.macKey).update(claim.fingerprint).digest();
  const commandId = uuidv7();
  const { rowCount } = await store.pool.query(
    `insert into vault.idempotency (scope, route, key, command_id, body_mac, claimed_until, created_at)
     values ($1, $2, $3, $4, $5, now() + ${CLAIM}, now()) on conflict do nothing`,
    [claim.scope, claim.route, claim.key, commandId, mac],
  );
  if (rowCount === 1) return first(store, claim, commandId);
  return inTransaction(store.pool, (tx) => look({ store, tx, mac, commandId }, claim));
}

type Look<Code extends string> = {
  readonly store: Store<Code>;
  readonly tx: Transaction;
  readonly mac: Buffer;
  readonly commandId: string;
};

async function look<Code extends string>(
  { store, tx, mac, commandId }: Look<Code>,
  claim: IdempotencyClaim,
): Promise<IdempotencyVerdict<Code>> {
  const place = [claim.scope, claim.route, claim.key];
  const { rows } = await tx.query(
    `select command_id, body_mac, answer, claimed_until > now() as claimed, created_at < now() - ${KEPT} as old
     from vault.idempotency where scope = $1 and route = $2 and key = $3 for update`,
    place,
  );
  // Swept away between the two statements: whoever repeats once more begins anew.
  if (rows.length === 0) return { kind: 'running' };
  const row = Row.parse(rows[0]);
  if (row.old) {
    await tx.query(
      `update vault.idempotency set command_id = $4, body_mac = $5, answer = null, claimed_until = now() + ${CLAIM}, created_at = now() where scope = $1 and route = $2 and key = $3`,
      [...place, commandId, mac],
    );
    return first(store, claim, commandId);
  }
  if (!timingSafeEqual(row.body_mac, mac)) return { kind: 'other_body' };
  if (row.answer !== null) return { kind: 'repeat', answer: open(store, row.answer, row.command_id) };
  if (row.claimed) return { kind: 'running' };
  await tx.query(
    `update vault.idempotency set claimed_until = now() + ${CLAIM} where scope = $1 and route = $2 and key = $3`,
    place,
  );
  return first(store, claim, row.command_id);
}

function first<Code extends string>(
  { pool, wrapping }: Store<Code>,
  claim: IdempotencyClaim,
  commandId: string,
): IdempotencyVerdict<Code> {
  const place = [claim.scope, claim.route, claim.key, commandId];
  return {
    kind: 'first',
    commandId,
    async finish(answer) {
      const sealed = wrapping.wrap(Buffer.from(JSON.stringify(answer)), purposeOf(commandId));
      await pool.query(
        'update vault.idempotency set answer = $5 where scope = $1 and route = $2 and key = $3 and command_id = $4',
        [...place, sealed],
      );
    },
    async abandon() {
      await pool.query(
        'update vault.idempotency set claimed_until = now() where scope = $1 and route = $2 and key = $3 and command_id = $4',
        place,
      );
    },
  };
}

function open<Code extends string>(
  { wrapping, isCode }: Store<Code>,
  sealed: Buffer,
  commandId: string,
): RecordedAnswer<Code> {
  const stored = Stored.parse(JSON.parse(wrapping.unwrap(sealed, purposeOf(commandId)).toString('utf8')));
  if (stored.ok) {
    const { status, body, headers, seed } = stored;
    return {
      ok: true,
      status,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(seed === undefined ? {} : { seed }),
    };
  }
  const { code, detail } = stored.refusal;
  if (!isCode(code)) throw new Error(`a recorded answer refuses with ${code}, which this program does not know`);
  return { ok: false, refusal: detail === undefined ? { code } : { code, detail } };
}

function purposeOf(commandId: string): string {
  return `answer/${commandId}`;
}
