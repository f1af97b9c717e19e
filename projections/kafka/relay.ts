import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka, Message } from 'kafkajs';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import { ensureTopics } from '../../infra/kafka/kafka.ts';
import type { Log } from '../../infra/process/log.ts';
import type { Pool } from '../../infra/postgres.ts';
import { describe, logTrouble } from '../failures.ts';
import { gather } from '../runner/batching.ts';
import { Leases } from '../builds/leases.ts';
import { moveRelay, takeRelay, type RelayCheckpoint, type RelayPlace } from './relay-checkpoint.ts';
import { domainEventsTopic } from './relay-message.ts';
import { openPublisher, type Publisher } from './relay-publisher.ts';
import { IDLE_MS, RelayPlan } from './relay-plan.ts';

export type RelayOptions = {
  readonly kafka: Kafka;
  /** Before the names of the topic and the transactional id. */
  readonly prefix: string;
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly store: ReadableLog;
  readonly log: Log;
  /** Publish without waiting for the lead: for tests of what fences relays that both believe to have it. */
  readonly uninvited?: boolean;
};

export type Relay = {
  /** Why this process does not publish, although it has the lead. */
  readonly trouble: string | undefined;
  /** Whether this process has the lead. */
  readonly leads: boolean;
  /** Up to where this process has published. */
  readonly position: Position | undefined;
  /** Age of the oldest event that it has read and not yet published, in seconds; 0 when there is none. */
  readonly lagSeconds: number;
  close(): Promise<void>;
};

const LIMITS = { events: 1_000, bytes: 4 * 1024 * 1024 };
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const LEAD_POLL_MS = 500;

type State = {
  trouble: string | undefined;
  leads: boolean;
  published: Position | undefined;
  waitingSince: number | undefined;
};

/**
 * Publishes the log to Kafka in whichever process has the lead, each event to the partition of each of its owners, at
 * least once and in order. Goes on by itself after any server was away.
 */
export function startRelay(options: RelayOptions): Relay {
  const closing = new AbortController();
  const state: State = { trouble: undefined, leads: false, published: undefined, waitingSince: undefined };
  const running = keepLeading(options, state, closing.signal);
  return {
    get trouble() {
      return state.trouble;
    },
    get leads() {
      return state.leads;
    },
    get position() {
      return state.published;
    },
    get lagSeconds() {
      return state.waitingSince === undefined ? 0 : Math.max(0, (Date.now() - state.waitingSince) / 1_000);
    },
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

async function keepLeading(options: RelayOptions, state: State, signal: AbortSignal): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    try {
      await leadOnce(options, state, signal);
      failures = 0;
    } catch (error) {
      failures = state.published === undefined ? failures + 1 : 1;
      if (!signal.aborted && state.trouble !== describe(error))
        logTrouble(options.log, error, {}, 'the log is not published to Kafka at the moment');
      state.trouble = describe(error);
    }
    state.leads = false;
    state.published = undefined;
    await pause(failures === 0 ? LEAD_POLL_MS : Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), signal);
  }
}

async function leadOnce(options: RelayOptions, state: State, signal: AbortSignal): Promise<void> {
  const lost = new AbortController();
  const leases = await Leases.open(options.databaseUrl, {
    onLost: () => {
      lost.abort();
    },
  });
  try {
    state.leads = options.uninvited === true || (await leases.takeRelay());
    if (!state.leads) {
      state.trouble = undefined;
      return;
    }
    await publishLog(options, state, AbortSignal.any([signal, lost.signal]));
  } finally {
    await leases.close().catch(() => undefined);
  }
}

// The producer fences the relay before it, so that what the checkpoint says afterwards stays true.
async function publishLog(
  { kafka, prefix, pool, store, log }: RelayOptions,
  state: State,
  signal: AbortSignal,
): Promise<void> {
  const topic = domainEventsTopic(prefix);
  await ensureTopics(kafka, [topic]);
  const publisher = await openPublisher(kafka, { topic: topic.topic, transactionalId: `${prefix}relay` });
  const reading = new AbortController();
  const until = AbortSignal.any([signal, reading.signal]);
  try {
    const checkpoint = await takeRelay(pool, store.storeId);
    const plan = new RelayPlan(checkpoint);
    const published = async (messages: readonly Message[]) =>
      publish({ publisher, pool, checkpoint, state }, messages, plan.place);
    await published(plan.greetings(performance.now()));
    log.info({ position: checkpoint.position }, 'publishing the log to Kafka');
    await follow(gather(store.subscribe({ after: checkpoint.position, signal: until }), LIMITS), {
      plan,
      published,
      state,
      signal: until,
    });
  } finally {
    reading.abort();
    await publisher.close();
  }
}

type Publishing = {
  readonly publisher: Publisher;
  readonly pool: Pool;
  readonly checkpoint: RelayCheckpoint;
  readonly state: State;
};

async function publish(
  { publisher, pool, checkpoint, state }: Publishing,
  messages: readonly Message[],
  place: RelayPlace,
): Promise<void> {
  if (messages.length > 0) await publisher.publish(messages);
  await moveRelay(pool, checkpoint, place);
  state.published = place.position;
  state.trouble = undefined;
}

type Following = {
  readonly plan: RelayPlan;
  readonly published: (messages: readonly Message[]) => Promise<void>;
  readonly state: State;
  readonly signal: AbortSignal;
};

async function follow(
  groups: AsyncGenerator<readonly RecordedEvent[]>,
  { plan, published, state, signal }: Following,
): Promise<void> {
  let next = groups.next();
  // It is awaited below, but an error may come while a watermark is under way.
  next.catch(() => undefined);
  while (!signal.aborted) {
    const group = await soonest(next, plan.owes, signal);
    if (group === 'idle') {
      await published(plan.watermarks(performance.now()));
      continue;
    }
    if (group.done === true || signal.aborted) return;
    state.waitingSince = group.value[0]?.createdAt.getTime();
    await published(plan.take(group.value, performance.now()));
    state.waitingSince = undefined;
    next = groups.next();
    next.catch(() => undefined);
  }
}

/** The next group, or `idle` when it does not come soon and partitions wait for a word. */
async function soonest<T>(next: Promise<T>, owes: boolean, signal: AbortSignal): Promise<T | 'idle'> {
  if (!owes) return next;
  const waiting = new AbortController();
  const idle = delay<'idle'>(IDLE_MS, 'idle', { signal: AbortSignal.any([signal, waiting.signal]) }).catch(
    (): 'idle' => 'idle',
  );
  try {
    return await Promise.race([next, idle]);
  } finally {
    waiting.abort();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<unknown> {
  return delay(ms, undefined, { signal }).catch(() => undefined);
}
