import { z } from 'zod';
import { accountDecider } from '../../domain/account.ts';
import { AccountId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';

export const VerifyAccountInput = z.object({ accountId: AccountId, verified: z.boolean() });
export type VerifyAccountInput = z.infer<typeof VerifyAccountInput>;

/**
 * Vouches for an account, or no longer: its profile shows the mark. Only operators may; doing it twice changes nothing.
 */
export async function verifyAccount(log: Log, context: CommandContext, { accountId, verified }: VerifyAccountInput) {
  return handle(log, context, {
    decider: accountDecider,
    streamId: streamOf.account(accountId),
    command: { type: verified ? 'VerifyAccount' : 'WithdrawVerification' },
    owners: () => [accountId],
  });
}
