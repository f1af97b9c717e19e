import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { eraseAccount } from '../commands/accounts/erase-account.ts';
import { loadState, type CommandContext, type Log } from '../commands/handle.ts';
import { accountDecider } from '../domain/account.ts';
import type { AccountId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import { vaultedAccount } from '../infra/vault/vault-account.ts';
import type { Vault } from '../infra/vault/vault.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';

const POLL_MS = 200;

/** `named` is the account as the operator wrote it. */
export type Erasure = Log & {
  readonly vault: Vault;
  readonly accountId: AccountId;
  readonly named: string;
  readonly by: CommandContext;
};
export type EraseOptions = { readonly yes?: boolean; readonly json?: boolean; readonly wait: string };

/**
 * Erases an account once a person has confirmed it, or `yes` says so, and waits until its personal data are gone. One
 * that is erased already is only waited for. Throws CliError while data are still held, so that no script takes them
 * for gone.
 */
export async function eraseForGood(
  context: CliContext,
  erasure: Erasure,
  { yes = false, json = false, wait }: EraseOptions,
): Promise<ExitCode> {
  const { accountId, named } = erasure;
  const waitMs = millisecondsOf(wait);
  await takeOutOfUse(context, erasure, yes);
  const gone = await dataGone(context, accountId, waitMs);
  if (json)
    console.log(JSON.stringify({ account_id: accountId, erased: true, personal_data: gone ? 'gone' : 'pending' }));
  if (!gone)
    throw new CliError(
      `${named} is erased and can be used no more, but its personal data are still held: they go when the reactor runs and every read model has passed the erasure (shutterlog projections status). Then run shutterlog accounts erase ${accountId} again, until it says that they are gone`,
    );
  if (!json) console.log(`${named} is erased, its personal data are gone and its name is free`);
  return 0;
}

async function takeOutOfUse(
  context: CliContext,
  { accountId, named, by, vault, ...log }: Erasure,
  yes: boolean,
): Promise<void> {
  const state = await loadState(log, accountDecider, streamOf.account(accountId));
  if (state.status === 'erased') return;
  if (state.status !== 'active' || state.username === null) throw new CliError(`${named} is not an active account`);
  if (!yes) await confirm(state.username, context.signal);
  const erased = await eraseAccount({ ...log, sessions: vault.sessions }, by, { accountId, username: state.username });
  if (!erased.ok) throw new CliError(`${named} is not an active account`);
}

// What cannot be undone is never done by mistake: a script has to say that it means it.
async function confirm(username: string, signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CliError(
      `nothing was erased: erasing ${username} cannot be undone, and there is no terminal to ask on; say --yes if you mean it`,
      2,
    );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`This erases ${username} for good. Type the username to go on: `, {
      signal,
    });
    if (answer.trim() !== username) throw new CliError('nothing was erased');
  } finally {
    terminal.close();
  }
}

// The reactor empties the data key once every read model has passed the event.
async function dataGone(context: CliContext, accountId: AccountId, waitMs: number): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  while ((await vaultedAccount(context.pool(), accountId)).dataKey === 'held') {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS, undefined, { signal: context.signal });
  }
  return true;
}

function millisecondsOf(wait: string): number {
  if (!/^\d{1,6}$/.test(wait)) throw new CliError('--wait takes a whole number of seconds', 2);
  return Number(wait) * 1_000;
}
