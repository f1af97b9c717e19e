import { followDecider } from '../../../domain/follow.ts';
import type { AccountId } from '../../../domain/ids.ts';
import type { Position } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import { activeAccount } from '../../accounts/find-account.ts';
import { handle, type CommandContext, type Log } from '../../handle.ts';
import { blocking, roundEndedByBlock, storedFollow } from '../../relations/relations.ts';
import { ModelsBehindError, type Reaction } from '../reaction.ts';
import type { Passage } from '../../../projections/builds/consistency.ts';

const NAME = 'accept-open-requests';
const PAGE = 200;

export type AcceptOpenRequestsDeps = Log & {
  /** Waits, bounded, until the read model of follows has passed a position. */
  readonly passed: (position: Position) => Promise<Passage>;
  /** Who waits to be let in by an account, in the order of ids. */
  readonly openRequests: (
    accountId: AccountId,
    page: { after: AccountId | undefined; limit: number },
  ) => Promise<AccountId[]>;
};

/** Lets in everybody who waits when an account becomes public: there is nothing left to ask for. */
export function acceptOpenRequests(deps: AcceptOpenRequestsDeps): Reaction {
  return {
    name: NAME,
    handles: ['AccountMadePublic'],
    react: async (event, context) => {
      if (event.type !== 'AccountMadePublic') throw new Error(`${NAME} does not handle ${event.type}`);
      if ((await deps.passed(event.position)) !== 'passed')
        throw new ModelsBehindError('the follows have not passed the opening of the account yet');
      await acceptAll(deps, context, event.data.accountId);
    },
  };
}

async function acceptAll(deps: AcceptOpenRequestsDeps, context: CommandContext, followeeId: AccountId): Promise<void> {
  let after: AccountId | undefined;
  do {
    // Private again: those who still wait go on waiting.
    if ((await activeAccount(deps, followeeId))?.privacy !== 'public') return;
    const page = await deps.openRequests(followeeId, { after, limit: PAGE });
    for (const followerId of page) await accept(deps, context, { followerId, followeeId });
    after = page.at(-1);
  } while (after !== undefined);
}

async function accept(
  log: Log,
  context: CommandContext,
  pair: { followerId: AccountId; followeeId: AccountId },
): Promise<void> {
  const blocks = await blocking(log, pair.followerId, pair.followeeId);
  if (blocks.blocked || (await activeAccount(log, pair.followerId)) === undefined) return;
  const ended = roundEndedByBlock(await storedFollow(log, pair.followerId, pair.followeeId), blocks);
  // A request that was taken back meanwhile is refused, which is no matter.
  await handle(log, context, {
    decider: followDecider,
    streamId: streamOf.follow(pair.followerId, pair.followeeId),
    command: { type: 'AcceptRequest', ...pair, roundEndedByBlock: ended },
    owners: () => [pair.followeeId, pair.followerId],
  });
}
