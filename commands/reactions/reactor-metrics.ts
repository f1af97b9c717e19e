import { metrics, type BatchObservableResult } from '@opentelemetry/api';
import type { Pool } from '../../infra/postgres.ts';
import { countDeadLetters } from './runner/dead-letters.ts';
import { modeFor } from './media/media-backlog.ts';
import type { MediaQueue } from './media/media-queue.ts';

/**
 * Reports how many media jobs wait, how much is made of pictures because of that, and how many dead letters there are,
 * read when somebody scrapes, until closed.
 */
export function watchQueues(pool: Pool, queue: Pick<MediaQueue, 'waiting'>): { close(): void } {
  const meter = metrics.getMeter('shutterlog');
  const jobs = meter.createObservableGauge('media_jobs_waiting', { description: 'Media jobs that wait or run.' });
  const mode = meter.createObservableGauge('media_backlog_mode', {
    description: '0: all sizes are made; 1: two sizes, because many jobs wait; 2: no blurhash and a lower quality too.',
  });
  const letters = meter.createObservableGauge('dead_letters', { description: 'Work that a reaction gave up on.' });
  const observeJobs = async (result: BatchObservableResult) => {
    const waiting = await queue.waiting();
    result.observe(jobs, waiting);
    result.observe(mode, modeFor(waiting));
  };
  const observeLetters = async (result: { observe(value: number, attributes: { reaction: string }): void }) => {
    for (const [reaction, count] of await countDeadLetters(pool)) result.observe(count, { reaction });
  };
  meter.addBatchObservableCallback(observeJobs, [jobs, mode]);
  letters.addCallback(observeLetters);
  return {
    close: () => {
      meter.removeBatchObservableCallback(observeJobs, [jobs, mode]);
      letters.removeCallback(observeLetters);
    },
  };
}
