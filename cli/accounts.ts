import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { v7 as uuidv7 } from 'uuid';
import { findActiveAccount } from '../commands/accounts/find-account.ts';
import { loadState, type CommandContext, type Log } from '../commands/handle.ts';
import { verifyAccount } from '../commands/accounts/verify-account.ts';
import { accountDecider } from '../domain/account.ts';
import { AccountId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import { openVault, type Vault } from '../infra/vault/vault.ts';
import { eraseForGood, type EraseOptions } from './accounts-erase.ts';
import { exportAccount } from './accounts-export.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';

/** `accounts verify|erase|export`: what operators do to single accounts, through the same commands as the API. */
export function registerAccounts(program: Command, run: Run): void {
  const accounts = program.command('accounts').description('single accounts, named by username or account id');
  accounts
    .command('verify')
    .description('give an account the mark of a verified one')
    .argument('<account>', 'username or account id')
    .option('--withdraw', 'take the mark away')
    .option('--json', 'the result as JSON')
    .action((account: string, options: { withdraw?: boolean; json?: boolean }) =>
      run((context) => verify(context, account, options)),
    );
  accounts
    .command('erase')
    .description('erase an account and its personal data for good, as if its owner had deleted it')
    .argument('<account>', 'username or account id')
    .option('--yes', 'do not ask; needed where there is no terminal to ask on')
    .option('--wait <seconds>', 'how long to wait until the personal data are gone', '60')
    .option('--json', 'the result as JSON')
    .action((account: string, options: EraseOptions) =>
      run(async (context) => {
        const opened = await open(context);
        return eraseForGood(
          context,
          { ...opened, accountId: await identify(opened, account), named: account, by: byOperator('erase') },
          options,
        );
      }),
    );
  accounts
    .command('export')
    .description(
      'profile, sessions and all events that one account caused or knows of, as JSON; its photos and videos themselves and the contents of recorded requests are not in it',
    )
    .argument('<account>', 'username or account id')
    .option('--out <file>', 'write to a file that only you may read, instead of standard output')
    .option('--json', 'progress as JSON lines')
    .action((account: string, options: { out?: string; json?: boolean }) =>
      run(async (context) => {
        const opened = await open(context);
        return exportAccount(context, { ...opened, accountId: await identify(opened, account) }, options);
      }),
    );
}

type Opened = Log & { readonly vault: Vault };

async function open(context: CliContext): Promise<Opened> {
  const [store, vault] = [
    await context.store(),
    await openVault({ pool: context.pool(), masterKey: context.config().MASTER_KEY }),
  ];
  return { store, keys: vault.keys, vault };
}

/** The id that a username or an id names. An erased account is found by its id alone: its name is free again. */
async function identify(opened: Opened, account: string): Promise<AccountId> {
  const id = AccountId.safeParse(account);
  const found = id.success
    ? await known(opened, id.data)
    : (await findActiveAccount({ ...opened, names: opened.vault.names }, account))?.accountId;
  if (found === undefined) throw new CliError(`there is no account ${account}`);
  return found;
}

async function known(log: Log, id: AccountId): Promise<AccountId | undefined> {
  return (await loadState(log, accountDecider, streamOf.account(id))).status === 'unregistered' ? undefined : id;
}

function byOperator(what: string): CommandContext {
  return {
    commandId: uuidv7(),
    actorId: 'system',
    correlationId: randomUUID(),
    causationId: `shutterlog accounts ${what}`,
    now: new Date(),
  };
}

async function verify(
  context: CliContext,
  account: string,
  { withdraw = false, json }: { withdraw?: boolean; json?: boolean },
): Promise<ExitCode> {
  const opened = await open(context);
  const accountId = await identify(opened, account);
  const done = await verifyAccount(opened, byOperator('verify'), { accountId, verified: !withdraw });
  if (!done.ok) throw new CliError(`${account} is not an active account`);
  say(json, { account_id: accountId, verified: !withdraw }, `${account} is ${withdraw ? 'no longer ' : ''}verified`);
  return 0;
}

function say(json: boolean | undefined, facts: object, words: string): void {
  console.log(json === true ? JSON.stringify(facts) : words);
}
