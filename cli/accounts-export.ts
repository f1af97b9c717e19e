import { pipeline } from 'node:stream/promises';
import { loadState, type Log } from '../commands/handle.ts';
import { accountDecider } from '../domain/account.ts';
import type { AccountId } from '../domain/ids.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import { streamOf } from '../domain/streams.ts';
import { timeOf } from '../infra/ids.ts';
import { openPersonalData, type DataKeys } from '../infra/vault/personal-data.ts';
import { vaultedAccount } from '../infra/vault/vault-account.ts';
import { logSince } from './accounts-export-log.ts';
import { causeOf, isKnownTo } from './accounts-export-scope.ts';
import type { CliContext, ExitCode } from './context.ts';
import { writePrivateFile } from './private-file.ts';
import { showProgress } from './progress.ts';

const BATCH = 500;

/**
 * Writes one JSON document about an account: its profile, its sessions and what else the vault knows of it (never a
 * secret; of recorded requests their number), and every event of the log that it caused or knows of anyway. What others
 * wrote stays sealed. Files are not in it: the events name them.
 */
export async function exportAccount(
  context: CliContext,
  { accountId, ...log }: Log & { readonly accountId: AccountId },
  { out, json }: { out?: string; json?: boolean },
): Promise<ExitCode> {
  const shown = showProgress('export', { unit: 'permille of the log', json: json === true });
  const head = {
    account_id: accountId,
    exported_at: new Date().toISOString(),
    account: await profileOf(log, accountId),
    vault: await vaultOf(context, accountId),
  };
  // On a terminal the document would run through the bar.
  const report =
    out === undefined && process.stdout.isTTY
      ? () => undefined
      : (permille: number) => {
          shown.at(permille, 1_000);
        };
  const batches = eventsKnownTo(context, accountId, report);
  const text = documentText(head, describedEvents(batches, log.keys, accountId));
  try {
    if (out === undefined) await pipeline(text, process.stdout, { end: false });
    else await writePrivateFile(out, text);
  } finally {
    shown.end();
  }
  return 0;
}

/**
 * A JSON document of `head` and a list of events, one on a line, which is never held as a whole: an account may have
 * millions.
 */
export async function* documentText(head: object, events: AsyncIterable<object>): AsyncIterable<string> {
  yield JSON.stringify({ ...head, events: [] }, null, 2).slice(0, -']\n}'.length);
  let before = '\n    ';
  for await (const event of events) {
    yield before + JSON.stringify(event);
    before = ',\n    ';
  }
  yield '\n  ]\n}\n';
}

async function* describedEvents(
  batches: AsyncIterable<RecordedEvent[]>,
  keys: DataKeys,
  accountId: AccountId,
): AsyncIterable<object> {
  for await (const batch of batches) {
    for (const event of await openPersonalData(batch, ownAlone(keys, accountId))) yield describeEvent(event, accountId);
  }
}

// No event can tell of an account before its id was made.
async function* eventsKnownTo(
  context: CliContext,
  accountId: AccountId,
  report: (permille: number) => void,
): AsyncIterable<RecordedEvent[]> {
  for await (const { events, share } of logSince(await context.store(), timeOf(accountId))) {
    context.signal.throwIfAborted();
    const known = events.filter((event) => isKnownTo(event, accountId));
    for (let at = 0; at < known.length; at += BATCH) yield known.slice(at, at + BATCH);
    report(Math.floor(share * 1_000));
  }
}

/** The account's own key; the fields that others' keys seal read null. */
function ownAlone(keys: DataKeys, accountId: AccountId): DataKeys {
  return {
    forAccounts: async (wanted) => {
      const own = await keys.forAccounts(new Set([accountId].filter((id) => wanted.has(id))));
      return new Map([...wanted].map((id) => [id, own.get(id) ?? null]));
    },
  };
}

function describeEvent(event: RecordedEvent, accountId: AccountId) {
  const { streamId, type, createdAt, data } = event;
  const cause = causeOf(event);
  const by = cause?.actorId === accountId ? 'account' : cause?.actorId === 'system' ? 'system' : 'other';
  return { at: cause?.occurredAt ?? createdAt.toISOString(), type, by, stream: streamId, data };
}

async function profileOf(log: Log, accountId: AccountId): Promise<object> {
  const state = await loadState(log, accountDecider, streamOf.account(accountId));
  if (state.status !== 'active') return { status: state.status };
  const { username, email, fullName, bio, website, profileMediaId, privacy, celebrity, verified } = state;
  return {
    status: state.status,
    username,
    email,
    full_name: fullName,
    bio,
    website,
    profile_media_id: profileMediaId,
    privacy,
    celebrity,
    verified,
  };
}

async function vaultOf(context: CliContext, accountId: AccountId): Promise<object> {
  const { dataKey, erasedAt, passwordChangedAt, sessions, recordedRequests } = await vaultedAccount(
    context.pool(),
    accountId,
  );
  return {
    data_key: dataKey,
    erased_at: erasedAt,
    password_changed_at: passwordChangedAt,
    sessions,
    recorded_requests: recordedRequests,
  };
}
