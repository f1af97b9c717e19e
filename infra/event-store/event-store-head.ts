import type { EventStoreDBClient } from '@eventstore/db-client';
import { laterOf, START_OF_LOG, type Position } from '../../domain/position.ts';
import { NO_TYPE, readPage, type LogRead } from './event-store-calls.ts';
import type { Decoded } from './event-store-decoding.ts';
import { SCAN_LIMIT_MS } from './event-store-failures.ts';

/** There is no event of ours behind `newest` up to `lookedUpTo`. */
type Known = { readonly newest: Position; readonly lookedUpTo: Position };

/** So many new events are looked through; behind more of them the newest is near the end. */
const FEW = 32;
/** A page of events from the end, when the last one is not ours. */
const MORE = 1_000;

/**
 * The newest event of ours, with the system events behind it looked through once and not each time. Whatever this
 * process appends or follows is known without looking.
 */
export class Head {
  readonly #client: EventStoreDBClient;
  readonly #answerLimitMs: number;
  #known: Known | undefined;
  #looking: Promise<void> | undefined;

  /** `answerLimitMs` bounds the question where the log ends. */
  constructor(client: EventStoreDBClient, answerLimitMs: number) {
    this.#client = client;
    this.#answerLimitMs = answerLimitMs;
  }

  /** Notes an event of ours that this process has come across. */
  see(position: Position): void {
    if (this.#known === undefined || position > this.#known.newest) this.#note(position, position);
  }

  /**
   * The position of the newest event of ours, of those at least that were there when this was asked; START_OF_LOG when
   * there is none.
   */
  async find(): Promise<Position> {
    const end = await this.#endOfLog();
    for (;;) {
      if (this.#known !== undefined && this.#known.lookedUpTo >= end) return this.#known.newest;
      this.#looking ??= this.#look(end).finally(() => {
        this.#looking = undefined;
      });
      await this.#looking;
    }
  }

  async #endOfLog(): Promise<Position> {
    const [last] = await readPage(
      this.#client,
      { from: 'end', backwards: true, size: 1, wanted: NO_TYPE, withSystemEvents: true },
      this.#answerLimitMs,
    );
    return last?.position ?? START_OF_LOG;
  }

  async #look(end: Position): Promise<void> {
    const since = this.#known === undefined ? undefined : await this.#page({ from: this.#known.lookedUpTo, size: FEW });
    const newest = since !== undefined && since.length < FEW ? since.findLast(isOurs) : await this.#lastOfAll();
    this.#note(newest?.position ?? START_OF_LOG, end);
  }

  // Events of projections may have types like ours; they are told apart by their streams, here.
  async #lastOfAll(): Promise<Decoded | undefined> {
    for (let from: Position | 'end' = 'end', size = 1; ; size = MORE) {
      const page: Decoded[] = await this.#page({ from, size, backwards: true });
      const ours = page.find(isOurs);
      if (ours !== undefined || page.length < size) return ours;
      from = page.at(-1)?.position ?? from;
    }
  }

  #page(read: Omit<LogRead, 'wanted'>): Promise<Decoded[]> {
    return readPage(this.#client, { ...read, wanted: NO_TYPE }, SCAN_LIMIT_MS);
  }

  #note(newest: Position, lookedUpTo: Position): void {
    const latest = laterOf(newest, this.#known?.newest ?? START_OF_LOG);
    this.#known = {
      newest: latest,
      lookedUpTo: laterOf(latest, laterOf(lookedUpTo, this.#known?.lookedUpTo ?? START_OF_LOG)),
    };
  }
}

const isOurs = ({ event }: Decoded) => event !== undefined;
