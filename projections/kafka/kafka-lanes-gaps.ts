import { setTimeout as delay } from 'node:timers/promises';
import { comparePositions, laterOf, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { EventStore, Portion } from '../../infra/event-store/event-store.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import { gather } from '../runner/batching.ts';
import { takeIn } from '../runner/decoding.ts';
import type { LaneBuild } from '../lanes/lane-build.ts';
import { WAITING_AT_MOST, waitingIn } from '../lanes/lane-feed.ts';
import { lanesOfRecorded } from './relay-message.ts';

/** A lane of a build that Kafka does not tell of everything up to `to`. */
export type Gap = { readonly build: LaneBuild; readonly lane: number; readonly to: Position };

/** Kafka tells of events that the log does not hold. */
export class LogBehindKafkaError extends Error {
  override readonly name = 'LogBehindKafkaError';
}

export type GapDeps = {
  readonly store: Pick<EventStore, 'readAll' | 'head'>;
  readonly keys: DataKeys;
  readonly handled: () => ReadonlySet<string>;
  readonly signal: AbortSignal;
};

const LIMITS = { events: 1_000, bytes: 4 * 1024 * 1024 };

/**
 * Gives lanes from the log what Kafka no longer or never held for them: after a retention, with a new topic, for a
 * build that is new or has gone back. One pass of the log serves all lanes that wait for one.
 */
export class GapReader {
  readonly #deps: GapDeps;
  #waiting: Gap[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(deps: GapDeps) {
    this.#deps = deps;
  }

  /** Resolves once the lanes were handed everything. Rejects when the log cannot be read: ask again then. */
  async fill(gaps: readonly Gap[]): Promise<void> {
    this.#waiting.push(...gaps);
    this.#next ??= this.#running.then(() => {
      const taken = this.#waiting;
      this.#waiting = [];
      this.#next = undefined;
      const reading = this.#read(taken);
      this.#running = reading.catch(() => undefined);
      return reading;
    });
    await this.#next;
  }

  async #read(gaps: readonly Gap[]): Promise<void> {
    const from = gaps.map(startOf).toSorted(comparePositions)[0];
    const end = gaps
      .map(({ to }) => to)
      .toSorted(comparePositions)
      .at(-1);
    if (from === undefined || end === undefined) return;
    const reached = await this.#pass(gaps, from, end);
    if (this.#deps.signal.aborted) return;
    if (reached < end && (await this.#deps.store.head()) < end)
      throw new LogBehindKafkaError(
        'Kafka tells of events that the log does not hold: was an older copy of the log restored?',
      );
    for (const { build, lane, to } of gaps) build.deliverLane(lane, [], to);
  }

  async #pass(gaps: readonly Gap[], from: Position, end: Position): Promise<Position> {
    let reached = from;
    for await (const group of gather(singly(this.#deps.store.readAll({ after: from })), LIMITS)) {
      reached = laterOf(reached, (group.at(-1) ?? group[0]).position);
      await this.#hand(gaps, group, reached);
      if (reached >= end || this.#deps.signal.aborted) break;
    }
    return reached;
  }

  async #hand(gaps: readonly Gap[], group: Portion, reached: Position): Promise<void> {
    const lanes = new Map(group.map((recorded) => [recorded.position, new Set(lanesOfRecorded(recorded))]));
    const { events } = await takeIn(group, this.#deps.handled(), this.#deps.keys);
    for (const { build, lane, to } of gaps) {
      const mine = events.filter(
        ({ recorded }) => recorded.position <= to && lanes.get(recorded.position)?.has(lane) === true,
      );
      build.deliverLane(lane, mine, reached < to ? reached : to);
    }
    const builds = [...new Set(gaps.map(({ build }) => build))];
    while (!this.#deps.signal.aborted && waitingIn(builds.filter(({ closed }) => !closed)) > WAITING_AT_MOST)
      await delay(5);
  }
}

function startOf({ build, lane, to }: Gap): Position {
  return build.lane(lane)?.handedOut ?? to;
}

async function* singly(events: AsyncIterable<RecordedEvent>): AsyncGenerator<Portion> {
  for await (const event of events) yield [event];
}
