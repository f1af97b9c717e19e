import type { Pool } from '../../../infra/postgres.ts';
import { claimJobs, countJobs, queueJob, type MediaJob, type WantedJob } from './media-jobs.ts';

/**
 * Where media jobs wait until a worker has room for them. Once taken, a job is in the hands of `media-jobs.ts`,
 * whatever the queue.
 */
export type MediaQueue = {
  /** Puts a job in line. It may come out twice. */
  add(job: WantedJob): Promise<void>;
  /**
   * Takes up to `limit` jobs for `leaseMs`, those first that somebody had before: their worker died, or their pause is
   * over.
   */
  take(limit: number, leaseMs: number): Promise<MediaJob[]>;
  /**
   * How many jobs wait or run, all processes together; what cannot be asked at this moment counts as it was last known.
   */
  waiting(): Promise<number>;
  /** Calls `listener` whenever there may be something to take. */
  listen(listener: () => void): void;
  close(): Promise<void>;
};

/** A queue that lies in PostgreSQL alone, for all processes that share the database. */
export function tableQueue(pool: Pool): MediaQueue {
  let arrived: () => void = () => undefined;
  return {
    add: async (job) => {
      await queueJob(pool, job);
      arrived();
    },
    take: (limit, leaseMs) => claimJobs(pool, limit, leaseMs),
    waiting: () => countJobs(pool),
    listen: (listener) => {
      arrived = listener;
    },
    close: () => Promise.resolve(),
  };
}
