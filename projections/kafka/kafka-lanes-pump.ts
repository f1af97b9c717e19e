import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaMessage } from 'kafkajs';
import { laterOf, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { Mark } from '../../infra/kafka/kafka-group.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import { describe } from '../failures.ts';
import { takeIn, type TakenEvent } from '../runner/decoding.ts';
import type { GapReader } from './kafka-lanes-gaps.ts';
import type { LaneBuild } from '../lanes/lane-build.ts';
import { WAITING_AT_MOST, waitingIn } from '../lanes/lane-feed.ts';
import { decodeMessage, ForeignMessageError, type LaneMessage } from './relay-message.ts';

export type PumpDeps = {
  readonly storeId: string;
  readonly keys: DataKeys;
  readonly log: Log;
  readonly gaps: GapReader;
  readonly builds: () => readonly LaneBuild[];
  readonly handled: () => ReadonlySet<string>;
  /** Stops and goes on with fetching this lane. */
  readonly pause: () => void;
  readonly resume: () => void;
};

type Handed = { readonly offset: string; readonly position: Position };
type Waiting = { readonly offset: bigint; readonly said: LaneMessage | undefined };

const MESSAGES_PER_BATCH = 500;
const QUEUED_AT_MOST = 2_000;
const MARKS_AT_MOST = 1_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Carries what one partition says to that lane of all builds of this process, in order, and knows how far their effects
 * have come.
 */
export class LanePump {
  readonly lane: number;
  /** Messages of the partition that this process has not been handed yet. */
  behind = 0;
  /** Why it does not go on at this moment. */
  trouble: string | undefined;
  readonly #deps: PumpDeps;
  readonly #closing = new AbortController();
  readonly #queue: Waiting[] = [];
  /** What was handed out and may not have had its effect yet, oldest first. */
  #handed: Handed[] = [];
  #seen: Position | undefined;
  #started = false;
  #paused = false;
  #awake = false;
  #working: Promise<void> | undefined;

  constructor(lane: number, deps: PumpDeps) {
    this.lane = lane;
    this.#deps = deps;
  }

  /** Begins; everything up to `seen` lies before the messages that come, if that is known. */
  start(seen: Position | undefined): void {
    this.#seen = latest([this.#seen, seen]);
    this.#started = true;
    this.wake();
  }

  /** Takes messages in; fetching of the lane stops while too many wait. */
  push(messages: readonly KafkaMessage[], highWatermark: string): void {
    for (const message of messages) this.#queue.push({ offset: BigInt(message.offset), said: this.#read(message) });
    const last = this.#queue.at(-1)?.offset;
    // A transaction ends with a record of its own, which nobody is handed.
    if (last !== undefined) this.behind = Math.max(0, Number(BigInt(highWatermark) - last) - 2) + this.#queue.length;
    if (this.#queue.length > QUEUED_AT_MOST) {
      this.#paused = true;
      this.#deps.pause();
    }
    this.wake();
  }

  /** Looks at builds and messages again. */
  wake(): void {
    this.#awake = true;
    if (!this.#started || this.#closing.signal.aborted) return;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      if (this.#awake) this.wake();
    });
  }

  /** Where to go on from after what has had its effect in every build; undefined when that has not moved. */
  takeMark(): Mark | undefined {
    const lanes = this.#deps.builds().flatMap((build) => build.lane(this.lane) ?? []);
    if (lanes.length === 0) return undefined;
    const done = this.#handed.filter(({ position }) => lanes.every((lane) => lane.position >= position)).length;
    const mark = this.#handed[done - 1];
    this.#handed = this.#handed.slice(done);
    return mark === undefined ? undefined : { partition: this.lane, offset: mark.offset, note: mark.position };
  }

  /** Resolves when nothing of it is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let failures = 0; this.#awake && !this.#closing.signal.aborted;) {
      this.#awake = false;
      try {
        while (await this.#step()) failures = 0;
        this.trouble = undefined;
      } catch (error) {
        if (this.trouble !== describe(error))
          this.#deps.log.warn({ err: error, lane: this.lane }, 'a lane does not take in what Kafka says at the moment');
        this.trouble = describe(error);
        this.#awake = true;
        await delay(Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), undefined, {
          signal: this.#closing.signal,
        }).catch(() => undefined);
        failures += 1;
      }
    }
  }

  /** Hands out the next run of messages; false when there is none, or nobody to have it. */
  async #step(): Promise<boolean> {
    // A build that comes while this one waits has its gap seen in the next step.
    const builds = this.#deps.builds().filter((build) => build.lane(this.lane) !== undefined);
    if (builds.length === 0) return false;
    const run = nextRun(this.#queue);
    await this.#fillUpTo(latest([this.#seen, run.find(({ said }) => said !== undefined)?.said?.after]), builds);
    if (run.length === 0 || this.#closing.signal.aborted) return false;
    await this.#handOut(
      run.flatMap(({ said }) => said ?? []),
      builds,
    );
    if (this.#closing.signal.aborted) return false;
    this.#finish(run);
    while (!this.#closing.signal.aborted && waitingIn(this.#deps.builds()) > WAITING_AT_MOST) await delay(5);
    return true;
  }

  #finish(run: readonly Waiting[]): void {
    this.#queue.splice(0, run.length);
    this.behind = Math.max(0, this.behind - run.length);
    const last = run.at(-1);
    if (last !== undefined && this.#seen !== undefined)
      this.#handed.push({ offset: (last.offset + 1n).toString(), position: this.#seen });
    // A lane that stands still collects marks; fewer of them only mean that a little more is read again.
    if (this.#handed.length > MARKS_AT_MOST) this.#handed = this.#handed.filter((_, index) => index % 2 === 0);
    if (!this.#paused || this.#queue.length > QUEUED_AT_MOST / 2) return;
    this.#paused = false;
    this.#deps.resume();
  }

  async #fillUpTo(to: Position | undefined, builds: readonly LaneBuild[]): Promise<void> {
    if (to === undefined) return;
    const gaps = builds
      .filter((build) => (build.lane(this.lane)?.handedOut ?? to) < to)
      .map((build) => ({ build, lane: this.lane, to }));
    if (gaps.length > 0) await this.#deps.gaps.fill(gaps);
  }

  async #handOut(said: readonly LaneMessage[], builds: readonly LaneBuild[]): Promise<void> {
    const position = latest(said.map((one) => one.position));
    if (position === undefined) return;
    const isNew = (recorded: RecordedEvent) =>
      builds.some((build) => (build.lane(this.lane)?.handedOut ?? position) < recorded.position);
    const events = await this.#takeIn(
      said.flatMap(({ recorded }) => (recorded !== undefined && isNew(recorded) ? [recorded] : [])),
    );
    if (this.#closing.signal.aborted) return;
    for (const build of builds) build.deliverLane(this.lane, events, position);
    this.#seen = latest([this.#seen, position]);
  }

  async #takeIn([first, ...others]: readonly RecordedEvent[]): Promise<readonly TakenEvent[]> {
    return first === undefined ? [] : (await takeIn([first, ...others], this.#deps.handled(), this.#deps.keys)).events;
  }

  #read(message: KafkaMessage): LaneMessage | undefined {
    try {
      const said = decodeMessage(message);
      // What was published from another log, before this one took its place, concerns nobody any more.
      return said.storeId === this.#deps.storeId ? said : undefined;
    } catch (error) {
      if (!(error instanceof ForeignMessageError)) throw error;
      this.#deps.log.error(
        { err: error, lane: this.lane, offset: message.offset },
        'a message in Kafka that no relay made was left out',
      );
      return undefined;
    }
  }
}

/** As many messages as follow one another without a hole. */
function nextRun(queue: readonly Waiting[]): Waiting[] {
  const run: Waiting[] = [];
  let known: Position | undefined;
  for (const waiting of queue.slice(0, MESSAGES_PER_BATCH)) {
    const { said } = waiting;
    if (said !== undefined && known !== undefined && said.after > known) break;
    known = latest([known, said?.after, said?.position]);
    run.push(waiting);
  }
  return run;
}

function latest(positions: readonly (Position | undefined)[]): Position | undefined {
  return positions.reduce(
    (high, one) => (high === undefined || one === undefined ? (high ?? one) : laterOf(high, one)),
    undefined,
  );
}
