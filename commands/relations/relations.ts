import { blockDecider, type BlockEvent } from '../../domain/block.ts';
import { followDecider, type FollowEvent, type FollowState } from '../../domain/follow.ts';
import type { AccountId } from '../../domain/ids.ts';
import { comparePositions, type Position } from '../../domain/position.ts';
import { streamOf } from '../../domain/streams.ts';
import { loadEvents, type Log } from '../handle.ts';

/** Whether a block stands between two accounts, in either direction, and when one was last put up. */
export type Blocking = { readonly blocked: boolean; readonly lastBlock: Position | undefined };

/** Reads both block streams of two accounts. */
export async function blocking(log: Log, one: AccountId, other: AccountId): Promise<Blocking> {
  const both = await Promise.all([blockingBy(log, one, other), blockingBy(log, other, one)]);
  const times = both.flatMap(({ lastBlock }) => (lastBlock === undefined ? [] : [lastBlock]));
  return { blocked: both.some(({ blocked }) => blocked), lastBlock: times.toSorted(comparePositions).at(-1) };
}

async function blockingBy(log: Log, blocker: AccountId, blocked: AccountId): Promise<Blocking> {
  const events = await loadEvents<BlockEvent>(log, blockDecider.eventTypes, streamOf.block(blocker, blocked));
  const state = events.reduce(blockDecider.evolve, blockDecider.initial);
  return {
    blocked: state.status === 'blocked',
    lastBlock: events.findLast(({ type }) => type === 'AccountBlocked')?.position,
  };
}

/** A follow stream's state, and where in the log its present round began. */
export type StoredFollow = { readonly state: FollowState; readonly began: Position | undefined };

/** Reads one follow stream, as it is stored: a block may have ended the follow already. */
export async function storedFollow(log: Log, followerId: AccountId, followeeId: AccountId): Promise<StoredFollow> {
  const events = await loadEvents<FollowEvent>(log, followDecider.eventTypes, streamOf.follow(followerId, followeeId));
  const state = events.reduce(followDecider.evolve, followDecider.initial);
  return {
    state,
    began: events.findLast(({ type }) => type === 'AccountFollowed' || type === 'FollowRequested')?.position,
  };
}

/** The round of a follow that a later block has ended, though its stream may not say so yet; else undefined. */
export function roundEndedByBlock({ state, began }: StoredFollow, { lastBlock }: Blocking): number | undefined {
  if (began === undefined || lastBlock === undefined) return undefined;
  return comparePositions(began, lastBlock) < 0 ? state.round : undefined;
}
