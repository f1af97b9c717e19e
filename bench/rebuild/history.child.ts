import { randomUUID } from 'node:crypto';
import { definitionOf } from '../../domain/event-log.ts';
import { openEventStore, type NewEvent } from '../../infra/event-store/event-store.ts';
import { sealingAccount, sealPersonalData, type DataKey } from '../../infra/vault/personal-data.ts';
import { openPool } from '../../infra/postgres.ts';
import { openVault } from '../../infra/vault/vault.ts';
import { eventMix, STEP_MS } from '../../testing/event-mix.ts';
import { storedFact } from '../../testing/projection-spec.ts';

/**
 * Fills a log with the product's own mix, which ends about now, personal data sealed as in a real one. Arguments: event
 * store, database, master key, events. Prints their number.
 */
const [eventStoreUrl = '', databaseUrl = '', masterKey = '', count = '0'] = process.argv.slice(2);
const EVENTS_PER_APPEND = 500;
const APPEND_LIMIT_MS = 60_000;

const store = await openEventStore(eventStoreUrl, { answerLimitMs: APPEND_LIMIT_MS });
const pool = openPool(databaseUrl, { size: 2, name: 'bench-history', synchronousCommit: false });
const { keys } = await openVault({ pool, masterKey });
const known = new Map<string, DataKey>();

async function keyOf(account: string): Promise<DataKey> {
  const kept = known.get(account);
  if (kept !== undefined) return kept;
  await keys.create(account);
  const key = (await keys.forAccounts(new Set([account]))).get(account) ?? null;
  known.set(account, key);
  return key;
}

let appended = 0;
let events: NewEvent[] = [];
for (const fact of eventMix(1, Date.now() - Number(count) * STEP_MS)) {
  const { type, data, metadata } = storedFact(fact, 0);
  const definition = definitionOf(type);
  const account = definition === undefined ? undefined : sealingAccount(definition, data);
  const sealed =
    definition === undefined || account === undefined ? data : sealPersonalData(definition, data, await keyOf(account));
  events.push({ id: randomUUID(), type, data: sealed, metadata });
  if (events.length < EVENTS_PER_APPEND && appended + events.length < Number(count)) continue;
  await store.append(`history-${randomUUID()}`, 'no_stream', events);
  appended += events.length;
  events = [];
  if (appended >= Number(count)) break;
}
process.stdout.write(`${String(appended)}\n`, () => process.exit(0));
