import { metrics } from '@opentelemetry/api';
import type { Pool } from '../../infra/postgres.ts';
import { countDeadLetters } from './dead-letters.ts';
import { countJobs } from './media-jobs.ts';

/** Reports how many media jobs wait and how many dead letters there are, read when somebody scrapes, until closed. */
export function watchQueues(pool: Pool): { close(): void } {
  const meter = metrics.getMeter('shutterlog');
  const jobs = meter.createObservableGauge('media_jobs_waiting', { description: 'Media jobs that wait or run.' });
  const letters = meter.createObservableGauge('dead_letters', { description: 'Work that a reaction gave up on.' });
  const observeJobs = async (result: { observe(value: number): void }) => { result.observe(await countJobs(pool)); };
  const observeLetters = async (result: { observe(value: number, attributes: { reaction: string }): void }) => {
    for (const [reaction, count] of await countDeadLetters(pool)) result.observe(count, { reaction });
  };
  jobs.addCallback(observeJobs);
  letters.addCallback(observeLetters);
  return {
    close: () => {
      jobs.removeCallback(observeJobs);
      letters.removeCallback(observeLetters);
    },
  };
}
