import { accountDecider } from '../../domain/account.ts';
import type { Decider } from '../../domain/decider.ts';
import type { AccountId } from '../../domain/ids.ts';
import type {
  ReservationCommand,
  ReservationEvent,
  ReservationRefusal,
  ReservationState,
} from '../../domain/reservation.ts';
import { streamOf } from '../../domain/streams.ts';
import { reactionCommandId } from '../../infra/ids.ts';
import { handle, loadEvents, loadState, type CommandContext, type Log } from '../handle.ts';

/** A registration that has not come to its account by then is taken for dead. */
export const ABANDONED_AFTER_MS = 60_000;

type ReservationDecider = Decider<ReservationState, ReservationCommand, ReservationEvent, ReservationRefusal>;

/** One reservation stream: its name, and which kind of reservation it holds. */
export type NamePlace = { readonly decider: ReservationDecider; readonly streamId: string };

/**
 * Reserves a name for an account that is about to be registered. True once the account holds it, false when another
 * does. A hold without an account after 60 s is taken over, its registration declared abandoned first.
 */
export async function reserveName(
  log: Log,
  context: CommandContext,
  place: NamePlace,
  accountId: AccountId,
): Promise<boolean> {
  const reserve = (abandonedHolder?: AccountId) =>
    handle(log, context, {
      ...place,
      command: { type: 'Reserve', accountId, abandonedHolder },
      owners: () => [accountId],
    });
  const first = await reserve();
  if (first.ok) return holds(first.state, accountId);
  const abandonedHolder = await abandonedHolderOf(log, context, place);
  if (abandonedHolder === undefined) return false;
  const second = await reserve(abandonedHolder);
  return second.ok && holds(second.state, accountId);
}

/** Gives a name back when the account holds it; harmless when it does not. */
export async function releaseName(
  log: Log,
  context: CommandContext,
  place: NamePlace,
  accountId: AccountId,
): Promise<void> {
  // Under an id of its own: the stream carries the command's id already when the same command reserved the name.
  const commandId = reactionCommandId(context.commandId, 'release-name');
  await handle(
    log,
    { ...context, commandId },
    { ...place, command: { type: 'Release', accountId }, owners: () => [accountId] },
  );
}

// A repeated command is answered with the events that it once appended, though the name may have moved on since.
function holds(state: ReservationState, accountId: AccountId): boolean {
  return state.status === 'held' && state.accountId === accountId;
}

async function abandonedHolderOf(
  log: Log,
  context: CommandContext,
  { decider, streamId }: NamePlace,
): Promise<AccountId | undefined> {
  const events = await loadEvents<ReservationEvent>(log, decider.eventTypes, streamId);
  const last = events.at(-1);
  const state = events.reduce(decider.evolve, decider.initial);
  if (last === undefined || state.status === 'free') return undefined;
  const holder = await loadState(log, accountDecider, streamOf.account(state.accountId));
  if (holder.status === 'abandoned') return state.accountId;
  const isOld = context.now.getTime() - last.meta.occurredAt.getTime() >= ABANDONED_AFTER_MS;
  if (holder.status !== 'unregistered' || !isOld) return undefined;
  return (await abandon(log, context, state.accountId)) ? state.accountId : undefined;
}

// Appended at "no stream": either this or the late registration gets there first, never both.
async function abandon(log: Log, context: CommandContext, accountId: AccountId): Promise<boolean> {
  const commandId = reactionCommandId(context.commandId, `abandon/${accountId}`);
  const abandoned = await handle(
    log,
    { ...context, commandId },
    {
      decider: accountDecider,
      streamId: streamOf.account(accountId),
      command: { type: 'AbandonRegistration', accountId },
      owners: () => [accountId],
    },
  );
  return abandoned.ok;
}
