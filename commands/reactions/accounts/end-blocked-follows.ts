import { followDecider } from '../../../domain/follow.ts';
import type { AccountId } from '../../../domain/ids.ts';
import { comparePositions, type Position } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../../handle.ts';
import { storedFollow } from '../../relations/relations.ts';
import type { Reaction } from '../reaction.ts';

const NAME = 'end-blocked-follows';

/** Writes into both follow streams what a block ended. Follows that began after the block are none of its business. */
export function endBlockedFollows(log: Log): Reaction {
  return {
    name: NAME,
    handles: ['AccountBlocked'],
    react: async (event, context) => {
      if (event.type !== 'AccountBlocked') throw new Error(`${NAME} does not handle ${event.type}`);
      const { blockerId, blockedId } = event.data;
      await endFollow(log, context, { followerId: blockerId, followeeId: blockedId, blockedAt: event.position });
      await endFollow(log, context, { followerId: blockedId, followeeId: blockerId, blockedAt: event.position });
    },
  };
}

async function endFollow(
  log: Log,
  context: CommandContext,
  { followerId, followeeId, blockedAt }: { followerId: AccountId; followeeId: AccountId; blockedAt: Position },
): Promise<void> {
  const { state, began } = await storedFollow(log, followerId, followeeId);
  if (state.status === 'none' || began === undefined || comparePositions(began, blockedAt) > 0) return;
  await handle(log, context, {
    decider: followDecider,
    streamId: streamOf.follow(followerId, followeeId),
    command: { type: 'EndForBlock', followerId, followeeId, round: state.round },
    owners: () => [followeeId, followerId],
  });
}
