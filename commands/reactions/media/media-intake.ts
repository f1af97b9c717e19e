import type { KafkaMessage } from 'kafkajs';
import type { Member } from '../../../infra/kafka/kafka-group.ts';
import type { Log } from '../../../infra/process/log.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { acceptJob, type MediaJob } from './media-jobs.ts';
import { decodeJob } from './media-topic.ts';

type Arrived = { readonly partition: number; readonly offset: bigint; readonly value: KafkaMessage['value'] };

/** Messages that are fetched ahead. More wait in Kafka, where other processes can have them. */
const HELD_AT_MOST = 500;

/**
 * What Kafka has handed to this process and no worker has had room for. A job is taken by writing it down in PostgreSQL
 * under a lease, and only then is Kafka told, so that it lies in one of the two at every moment.
 */
export class MediaIntake {
  readonly #pool: Pool;
  readonly #log: Log;
  readonly #member: () => Pick<Member, 'pause' | 'resume' | 'commit'>;
  readonly #paused = new Set<number>();
  #arrived: Arrived[] = [];

  constructor({
    pool,
    log,
    member,
  }: {
    pool: Pool;
    log: Log;
    member: () => Pick<Member, 'pause' | 'resume' | 'commit'>;
  }) {
    this.#pool = pool;
    this.#log = log;
    this.#member = member;
  }

  /** The group was divided anew: everything that is not taken yet comes again, to whoever it is for now. */
  restart(): void {
    this.#arrived = [];
    this.#resume();
  }

  push(partition: number, messages: readonly KafkaMessage[]): void {
    this.#arrived.push(...messages.map(({ offset, value }) => ({ partition, offset: BigInt(offset), value })));
    if (this.#arrived.length <= HELD_AT_MOST) return;
    this.#paused.add(partition);
    this.#member().pause(partition);
  }

  /** Takes up to `limit` jobs for `leaseMs`. */
  async take(limit: number, leaseMs: number): Promise<MediaJob[]> {
    const taken: MediaJob[] = [];
    const next = new Map<number, bigint>();
    try {
      for (let arrived = this.#arrived[0]; arrived !== undefined && taken.length < limit; arrived = this.#arrived[0]) {
        const job = await this.#accept(arrived, leaseMs);
        if (job !== undefined) taken.push(job);
        // A new division may have taken it away meanwhile; then it comes again, and is known by its id.
        if (this.#arrived[0] === arrived) this.#arrived.shift();
        next.set(arrived.partition, arrived.offset + 1n);
      }
    } catch (error) {
      if (taken.length === 0) throw error;
      this.#log.warn({ err: error }, 'no more media jobs can be taken at the moment');
    }
    if (this.#arrived.length < HELD_AT_MOST / 2) this.#resume();
    await this.#commit(next);
    return taken;
  }

  async #accept({ partition, offset, value }: Arrived, leaseMs: number): Promise<MediaJob | undefined> {
    const job = decodeJob({ value });
    if (job === undefined)
      this.#log.error(
        { partition, offset: String(offset) },
        'a message among the media jobs that is none was left out',
      );
    return job === undefined ? undefined : acceptJob(this.#pool, job, leaseMs);
  }

  async #commit(next: ReadonlyMap<number, bigint>): Promise<void> {
    try {
      await this.#member().commit([...next].map(([partition, offset]) => ({ partition, offset: offset.toString() })));
    } catch (error) {
      // They come again, and are found done.
      this.#log.debug({ err: error }, 'Kafka was not told which media jobs are taken');
    }
  }

  #resume(): void {
    for (const partition of this.#paused) this.#member().resume(partition);
    this.#paused.clear();
  }
}
