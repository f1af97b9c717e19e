import { z } from 'zod';
import { reactionCommandId } from '../../../infra/ids.ts';
import { inTransaction, type Pool, type Sql } from '../../../infra/postgres.ts';

const LetterRow = z
  .object({
    id: z.uuid(),
    reaction: z.string(),
    subject: z.string(),
    event_id: z.uuid(),
    reason: z.string(),
    attempts: z.int(),
    parked_at: z.date(),
    context: z.json(),
  })
  .transform(({ event_id, parked_at, ...row }) => ({ ...row, eventId: event_id, parkedAt: parked_at }));

/**
 * Work that a reaction gave up on. `subject` is what it was about, such as a media id; `context` is the reaction's own.
 */
export type DeadLetter = z.output<typeof LetterRow>;

/** Parks work that failed for good; parking it again replaces the letter. */
export async function parkDeadLetter(sql: Sql, letter: Omit<DeadLetter, 'id' | 'parkedAt'>): Promise<void> {
  const { reaction, subject, eventId, reason, attempts, context } = letter;
  await sql.query(
    `insert into reactions.dead_letter (id, reaction, subject, event_id, reason, attempts, context) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (id) do update set reason = excluded.reason, attempts = excluded.attempts, parked_at = now(), announced_at = null`,
    [
      reactionCommandId(eventId, `${reaction}/dead-letter`),
      reaction,
      subject,
      eventId,
      reason.slice(0, 1_000),
      attempts,
      JSON.stringify(context),
    ],
  );
}

/** The parked work, oldest first, at most `limit` letters. */
export async function listDeadLetters(sql: Sql, limit: number): Promise<DeadLetter[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select * from reactions.dead_letter order by parked_at, id limit $1',
    [limit],
  );
  return rows.map((row) => LetterRow.parse(row));
}

/**
 * Takes a letter away, together with what `first` does with it in the same transaction (such as queueing its work
 * again). False when there is no such letter.
 */
export async function takeDeadLetter(
  pool: Pool,
  id: string,
  first: (sql: Sql, letter: DeadLetter) => Promise<void>,
): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<Record<string, unknown>>(
      'delete from reactions.dead_letter where id = $1 returning *',
      [id],
    );
    if (rows[0] === undefined) return false;
    await first(tx, LetterRow.parse(rows[0]));
    return true;
  });
}

/** Letters of a reaction that nobody outside was told of; they stay as they are until the transaction ends. */
export async function unannouncedDeadLetters(tx: Sql, reaction: string, limit: number): Promise<DeadLetter[]> {
  const { rows } = await tx.query<Record<string, unknown>>(
    'select * from reactions.dead_letter where reaction = $1 and announced_at is null order by parked_at, id limit $2 for update',
    [reaction, limit],
  );
  return rows.map((row) => LetterRow.parse(row));
}

export async function noteAnnounced(tx: Sql, ids: readonly string[]): Promise<void> {
  await tx.query('update reactions.dead_letter set announced_at = now() where id = any($1::uuid[])', [ids]);
}

/** How much work is parked, by reaction. */
export async function countDeadLetters(sql: Sql): Promise<Map<string, number>> {
  const { rows } = await sql.query<{ reaction: string; letters: string }>(
    'select reaction, count(*) as letters from reactions.dead_letter group by reaction',
  );
  return new Map(rows.map(({ reaction, letters }) => [reaction, Number(letters)]));
}
