import type { Message } from 'kafkajs';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { RelayPlace } from './relay-checkpoint.ts';
import { encodeMessage, lanesOfRecorded } from './relay-message.ts';

/** A partition that has heard nothing for so long is told how far the log has come. */
export const IDLE_MS = 100;

type Partition = { lane: number; sent: Position; at: number };

/**
 * Which messages go to which partitions: one relay's memory of what it has told each of them. Times are of one
 * monotonic clock.
 */
export class RelayPlan {
  readonly #storeId: string;
  readonly #partitions: readonly Partition[];
  #position: Position;

  /** Everything up to `position` has been published before. */
  constructor({ storeId, position, told }: RelayPlace & { storeId: string }) {
    this.#storeId = storeId;
    this.#position = position;
    this.#partitions = told.map((sent, lane) => ({ lane, sent, at: 0 }));
  }

  /** Where it has come to, once what it gave out is in Kafka. */
  get place(): RelayPlace {
    return { position: this.#position, told: this.#partitions.map(({ sent }) => sent) };
  }

  /** Whether a partition does not know yet how far the log has come. */
  get owes(): boolean {
    return this.#partitions.some(({ sent }) => sent < this.#position);
  }

  /** The messages for the next events of the log, and watermarks for partitions that have been idle. */
  take(events: readonly RecordedEvent[], now: number): Message[] {
    const messages: Message[] = [];
    for (const recorded of events) {
      this.#position = recorded.position;
      for (const lane of lanesOfRecorded(recorded)) messages.push(...this.#tell(lane, now, recorded));
    }
    return [...messages, ...this.watermarks(now)];
  }

  /** Tells how far the log has come where nothing was said for IDLE_MS. */
  watermarks(now: number): Message[] {
    return this.#partitions
      .filter(({ sent, at }) => sent < this.#position && now - at >= IDLE_MS)
      .flatMap(({ lane }) => this.#tell(lane, now));
  }

  /**
   * Tells every partition how far the log is: the first words of a relay, whose predecessor may have died before it
   * did.
   */
  greetings(now: number): Message[] {
    return this.#partitions.flatMap(({ lane }) => this.#tell(lane, now));
  }

  #tell(lane: number, now: number, recorded?: RecordedEvent): Message[] {
    const partition = this.#partitions[lane];
    if (partition === undefined) return [];
    const after = partition.sent;
    partition.sent = this.#position;
    partition.at = now;
    return [
      encodeMessage(lane, {
        storeId: this.#storeId,
        after,
        position: this.#position,
        ...(recorded === undefined ? {} : { recorded }),
      }),
    ];
  }
}
