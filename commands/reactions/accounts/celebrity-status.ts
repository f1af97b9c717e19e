import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { accountDecider } from '../../../domain/account.ts';
import type { DomainEvent } from '../../../domain/event-log.ts';
import type { AccountId } from '../../../domain/ids.ts';
import type { Position } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import { celebritiesToReconsider, celebrityStanding } from '../../../projections/queries/celebrity-status.ts';
import type { Passage } from '../../../projections/builds/consistency.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import { handle, type CommandContext, type Log } from '../../handle.ts';
import { ModelsBehindError, type Reaction, type Sweep } from '../reaction.ts';

/**
 * From how many followers on an account is a celebrity, and below how many it no longer is one. The gap keeps it from
 * flapping.
 */
export type CelebrityLine = { readonly grantAt: number; readonly revokeBelow: number };

export type CelebrityStatusDeps = Log & {
  readonly read: () => Promise<ReadContext>;
  /** Waits, bounded, until the models that follower counts and status come from have passed a position. */
  readonly passed: (position: Position) => Promise<Passage>;
  readonly line: CelebrityLine;
};

const NAME = 'celebrity-status';
const REMEMBERED = 100_000;
const SWEEP_EVERY_MS = 3_600_000;

/**
 * Grants and revokes celebrity status as followers come and go. An account whose count is far from the line is not
 * asked about again until so many of its follows have changed that it may have crossed it.
 */
export function celebrityStatus(deps: CelebrityStatusDeps): Reaction {
  const changesLeft = new LRUCache<AccountId, number>({ max: REMEMBERED });
  return {
    name: NAME,
    handles: ['AccountFollowed', 'FollowRequestAccepted', 'FollowEnded', 'AccountBlocked'],
    react: async (event, context) => {
      for (const account of followedIn(event)) {
        const left = (changesLeft.get(account) ?? 1) - 1;
        if (left > 0) {
          changesLeft.set(account, left);
          continue;
        }
        if ((await deps.passed(event.position)) !== 'passed')
          throw new ModelsBehindError(`the follower counts have not passed ${event.position} yet`);
        const standing = await celebrityStanding(await deps.read(), account);
        if (standing === undefined) continue;
        await decide(deps, context, { account, ...standing });
        changesLeft.set(account, distanceToLine(deps.line, standing.followers));
      }
    },
  };
}

/** Reconsiders everybody against the line: at start, because the settings may have changed, and now and then. */
export function sweepCelebrityStatus(deps: Omit<CelebrityStatusDeps, 'passed'>): Sweep {
  return {
    name: NAME,
    everyMs: SWEEP_EVERY_MS,
    sweep: async (now, signal) => {
      const accounts = await celebritiesToReconsider(await deps.read(), deps.line);
      for (const one of accounts) {
        if (signal.aborted) break;
        const commandId = randomUUID();
        await decide(deps, { commandId, actorId: 'system', correlationId: commandId, causationId: NAME, now }, one);
      }
      return accounts.length;
    },
  };
}

type Counted = { readonly account: AccountId; readonly followers: number; readonly isCelebrity: boolean };

async function decide(
  log: Log & { readonly line: CelebrityLine },
  context: CommandContext,
  { account, followers, isCelebrity }: Counted,
): Promise<void> {
  const { grantAt, revokeBelow } = log.line;
  const crossed = isCelebrity ? followers < revokeBelow : followers >= grantAt;
  if (!crossed) return;
  await handle(log, context, {
    decider: accountDecider,
    streamId: streamOf.account(account),
    command: isCelebrity
      ? { type: 'RevokeCelebrityStatus', followerCount: followers, threshold: revokeBelow }
      : { type: 'GrantCelebrityStatus', followerCount: followers, threshold: grantAt },
    owners: () => [account],
  });
}

function followedIn(event: DomainEvent): AccountId[] {
  switch (event.type) {
    case 'AccountFollowed':
    case 'FollowRequestAccepted':
    case 'FollowEnded':
      return [event.data.followeeId];
    case 'AccountBlocked':
      return [event.data.blockedId, event.data.blockerId];
    default:
      throw new Error(`${NAME} does not handle ${event.type}`);
  }
}

function distanceToLine({ grantAt, revokeBelow }: CelebrityLine, followers: number): number {
  return Math.max(1, Math.min(Math.abs(grantAt - followers), Math.abs(followers - revokeBelow + 1)));
}
