import { metrics } from '@opentelemetry/api';
import type { DomainEvent } from '../../../domain/event-log.ts';

/** `standby`: another process leads. `waiting`: a store is away. `stalled`: an event fails again and again. */
export type ReactionState = 'standby' | 'running' | 'waiting' | 'stalled';

/** How the reactions of this process are doing, for health and metrics. */
export type ReactionStates = {
  set(reaction: string, state: ReactionState): void;
  retried(reaction: string): void;
  reacted(reaction: string, event: DomainEvent): void;
  all(): ReadonlyMap<string, ReactionState>;
};

/** Keeps the states of some reactions, on standby at first, and counts their work in metrics. */
export function createReactionStates(names: readonly string[]): ReactionStates {
  const states = new Map<string, ReactionState>(names.map((name) => [name, 'standby']));
  const meter = metrics.getMeter('shutterlog');
  const events = meter.createCounter('reaction_events', { description: 'Events that a reaction has handled.' });
  const retries = meter.createCounter('reaction_retries', {
    description: 'Tries of a reaction that failed and were repeated.',
  });
  const delays = meter.createHistogram('reaction_delay_seconds', {
    description: 'From an event to the end of its reaction.',
    unit: 's',
  });
  const stalled = meter.createObservableGauge('reaction_stalled', {
    description: '1 when a reaction cannot get past an event.',
  });
  stalled.addCallback((result) => {
    for (const [reaction, state] of states) result.observe(state === 'stalled' ? 1 : 0, { reaction });
  });
  return {
    set: (reaction, state) => {
      states.set(reaction, state);
    },
    retried: (reaction) => {
      retries.add(1, { reaction });
    },
    reacted: (reaction, event) => {
      events.add(1, { reaction });
      delays.record(Math.max(0, Date.now() - event.meta.occurredAt.getTime()) / 1_000, { reaction });
    },
    all: () => states,
  };
}
