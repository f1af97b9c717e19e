import type { DomainEvent } from '../../domain/event-log.ts';
import type { Sql } from '../../infra/postgres.ts';
import { idList, idsIn } from './id-list.ts';
import type { PostgresProjection } from '../projection.ts';

const TABLE = 'erased_account';

/**
 * A model to which nothing that names an erased account means anything once the account is erased. A command in flight
 * may append behind the erasure, and so may whoever follows or blocks the account at that moment (ADR 18); every model
 * leaves such events out by their place in the log, so that a count has nobody in it who is in no list. For that each
 * remembers who is erased: another model may be ahead of it or behind.
 */
export function untilErased(model: PostgresProjection): PostgresProjection {
  return {
    ...model,
    ddl: (schema) => `${model.ddl(schema)}
    create table ${schema}.${TABLE} (account_id text collate "C" primary key);`,
    apply: async (tx, schema, events) => {
      const erased = await erasedAmong(tx, schema, [...new Set(events.flatMap(accountsNamed))]);
      const { effective, erasedNow } = beforeErasures(events, erased);
      if (erasedNow.length > 0)
        await tx.query(`insert into ${schema}.${TABLE} select * from unnest(${idsIn(1)})`, [idList(erasedNow)]);
      if (effective.length > 0) await model.apply(tx, schema, effective);
    },
    tables: [...model.tables, { table: TABLE, key: ['account_id'], columns: [] }],
  };
}

async function erasedAmong(tx: Sql, schema: string, accounts: readonly string[]): Promise<string[]> {
  if (accounts.length === 0) return [];
  const { rows } = await tx.query<{ account_id: string }>(
    `select account_id from ${schema}.${TABLE} where account_id = any(${idsIn(1)})`,
    [idList(accounts)],
  );
  return rows.map((row) => row.account_id);
}

/** The events, in log order, that name nobody erased before them, and who was erased by one of them. */
export function beforeErasures(
  events: readonly DomainEvent[],
  erasedBefore: readonly string[],
): { effective: DomainEvent[]; erasedNow: string[] } {
  const erased = new Set(erasedBefore);
  const erasedNow: string[] = [];
  const effective: DomainEvent[] = [];
  for (const event of events) {
    if (accountsNamed(event).some((id) => erased.has(id))) continue;
    effective.push(event);
    if (event.type !== 'AccountErased') continue;
    erased.add(event.data.accountId);
    erasedNow.push(event.data.accountId);
  }
  return { effective, erasedNow };
}

/** The accounts in an event's fields. By the fields' names, because a text that somebody wrote may look like an id. */
function accountsNamed({ data }: DomainEvent): string[] {
  return Object.entries(data).flatMap(([field, value]: [string, unknown]) =>
    NAMES_SOMEBODY.test(field) && typeof value === 'string' && value.startsWith('acc_') ? value : [],
  );
}

const NAMES_SOMEBODY = /(?:Id|By)$/;
