import { isOneOf, parseEvent, type DomainEvent } from '../../../domain/event-log.ts';
import type { RecordedEvent } from '../../../domain/recorded-event.ts';
import { SubscriptionEndedError, type Portion } from '../../../infra/event-store/event-store.ts';
import { reactionCommandId } from '../../../infra/ids.ts';
import type { Log as Logger } from '../../../infra/process/log.ts';
import { openPersonalData } from '../../../infra/vault/personal-data.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { inSpan } from '../../../infra/process/telemetry.ts';
import { isOutage, logTrouble } from '../../../projections/failures.ts';
import type { CommandContext, Log } from '../../handle.ts';
import { CheckpointMovedError, holdCheckpoint, type HeldCheckpoint } from './checkpoints.ts';
import { pause } from './leadership.ts';
import { ModelsBehindError, type Reaction, type Sweep } from '../reaction.ts';
import type { ReactionStates } from './reaction-states.ts';

/** How stubborn the runner is. */
export type Patience = {
  /** Tries of one event before its reaction stalls. */
  readonly attempts: number;
  /** The first pause between tries; each further one is four times as long, at most `longestPauseMs`. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** How long a stalled reaction rests before it tries the same event again. */
  readonly stallMs: number;
};

export const PATIENCE: Patience = { attempts: 5, firstPauseMs: 100, longestPauseMs: 5_000, stallMs: 30_000 };

export type RunnerDeps = Log & {
  readonly pool: Pool;
  readonly log: Logger;
  readonly states: ReactionStates;
  readonly patience: Patience;
};

const FLUSH_MS = 1_000;

/** Follows the log with every reaction, each from its own checkpoint, and sweeps, until `signal`. Rejects never. */
export async function runReactions(
  deps: RunnerDeps,
  work: { reactions: readonly Reaction[]; sweeps: readonly Sweep[] },
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    ...work.reactions.map((reaction) => keepFollowing(deps, reaction, signal)),
    ...work.sweeps.map((sweep) => keepSweeping(deps, sweep, signal)),
  ]);
}

// A subscription that ends is opened again; a reaction that cannot get past an event rests and then tries it again, so
// that nothing is skipped and a cured cause needs no restart.
async function keepFollowing(deps: RunnerDeps, reaction: Reaction, signal: AbortSignal): Promise<void> {
  let pauseMs = deps.patience.firstPauseMs;
  while (!signal.aborted) {
    try {
      await follow(deps, reaction, signal, () => {
        pauseMs = deps.patience.firstPauseMs;
      });
    } catch (error) {
      if (signal.aborted) break;
      const passing = isPassing(error);
      deps.states.set(reaction.name, passing ? 'waiting' : 'stalled');
      if (passing) logTrouble(deps.log, error, { reaction: reaction.name }, 'a reaction waits for its stores');
      else deps.log.error({ err: error, reaction: reaction.name }, 'a reaction cannot get past an event');
      await pause(passing ? pauseMs : deps.patience.stallMs, signal);
      pauseMs = Math.min(pauseMs * 4, deps.patience.longestPauseMs);
    }
  }
  deps.states.set(reaction.name, 'standby');
}

/** Whether time cures it, and the event is not to blame. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof SubscriptionEndedError ||
    error instanceof CheckpointMovedError ||
    error instanceof ModelsBehindError ||
    isOutage(error)
  );
}

async function follow(
  deps: RunnerDeps,
  reaction: Reaction,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const checkpoint = await holdCheckpoint(deps.pool, reaction.name, deps.store.storeId);
  const handled = new Set<string>(reaction.handles);
  const broken = new AbortController();
  const flushing = setInterval(() => {
    checkpoint.flush().catch(() => {
      broken.abort();
    });
  }, FLUSH_MS);
  deps.states.set(reaction.name, 'running');
  try {
    const until = AbortSignal.any([signal, broken.signal]);
    for await (const recorded of eventsOf(deps.store.subscribe({ after: checkpoint.start, signal: until }))) {
      if (until.aborted) break;
      if (handled.has(recorded.type)) await takeEvent(deps, { reaction, checkpoint, signal }, recorded);
      checkpoint.pass(recorded.position);
      onProgress();
    }
  } finally {
    clearInterval(flushing);
  }
  await checkpoint.flush();
}

async function* eventsOf(portions: AsyncIterable<Portion>): AsyncGenerator<RecordedEvent> {
  for await (const portion of portions) yield* portion;
}

type Following = { readonly reaction: Reaction; readonly checkpoint: HeldCheckpoint; readonly signal: AbortSignal };

async function takeEvent(
  deps: RunnerDeps,
  { reaction, checkpoint, signal }: Following,
  recorded: RecordedEvent,
): Promise<void> {
  const [opened] = await openPersonalData([recorded], deps.keys);
  const event = opened === undefined ? undefined : parseEvent(opened);
  if (event === undefined || !isOneOf(reaction.handles, event)) return;
  await withRetries(deps, { reaction, event, signal });
  checkpoint.pass(event.position);
  await checkpoint.flush();
  deps.states.reacted(reaction.name, event);
}

async function withRetries(
  deps: RunnerDeps,
  { reaction, event, signal }: { reaction: Reaction; event: DomainEvent; signal: AbortSignal },
): Promise<void> {
  const { attempts, firstPauseMs, longestPauseMs } = deps.patience;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const attributes = {
        'shutterlog.reaction': reaction.name,
        'shutterlog.event_type': event.type,
        'shutterlog.event_id': event.id,
      };
      await inSpan(`react ${reaction.name}`, { parent: event.meta.traceparent, attributes }, () =>
        reaction.react(event, contextFor(reaction.name, event)),
      );
      return;
    } catch (error) {
      // An outage is no try: whoever follows waits for the stores, and comes back to this event.
      if (attempt >= attempts || isPassing(error)) throw error;
      deps.states.retried(reaction.name);
      deps.log.warn(
        { err: error, reaction: reaction.name, event_id: event.id, attempt },
        'a reaction failed and is tried again',
      );
      await pause(Math.min(firstPauseMs * 4 ** (attempt - 1), longestPauseMs), signal);
    }
  }
}

/**
 * The context in which a reaction commands: the system acts, because of the event, in the trace of the request behind
 * it.
 */
export function contextFor(reaction: string, event: Pick<DomainEvent, 'id' | 'meta'>): CommandContext {
  const { $correlationId: correlationId, traceparent } = event.meta;
  return {
    commandId: reactionCommandId(event.id, reaction),
    actorId: 'system',
    correlationId,
    causationId: event.id,
    now: new Date(),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

async function keepSweeping(deps: RunnerDeps, { name, everyMs, sweep }: Sweep, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const swept = await inSpan(`sweep ${name}`, {}, () => sweep(new Date(), signal));
      if (swept > 0) deps.log.info({ sweep: name, swept }, 'swept');
    } catch (error) {
      const message = 'a sweep failed and is tried again next time';
      if (isPassing(error)) logTrouble(deps.log, error, { sweep: name }, message);
      else if (!signal.aborted) deps.log.error({ err: error, sweep: name }, message);
    }
    await pause(everyMs, signal);
  }
}
