import { metrics } from '@opentelemetry/api';
import type { Log as Logger } from '../../../infra/process/log.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { RepeatedLines } from '../../../infra/process/repeated-lines.ts';
import { inSpan } from '../../../infra/process/telemetry.ts';
import { reactionCommandId } from '../../../infra/ids.ts';
import { describe, isOutage, logTrouble } from '../../../projections/failures.ts';
import type { CommandContext } from '../../handle.ts';
import { pause } from '../runner/leadership.ts';
import { makeMedia, type MakeMediaDeps } from './make-media.ts';
import { watchBacklog } from './media-backlog.ts';
import { failJob, finishJob, MEDIA_REACTION, renewLease, returnJob, tryOf, type MediaJob } from './media-jobs.ts';
import type { MediaQueue } from './media-queue.ts';

export type MediaWorkDeps = MakeMediaDeps & { readonly pool: Pool; readonly queue: MediaQueue; readonly log: Logger };

export type MediaWorkOptions = {
  /** Jobs at a time in this process. */
  readonly concurrency: number;
  /** A job whose process says nothing for so long is taken over by another. Default 10 s. */
  readonly leaseMs?: number;
  /** The first pause after a failure; the next is four times as long. Default 1 s. */
  readonly retryMs?: number;
  /** How often the queue is looked at without being woken. Default 500 ms. */
  readonly pollMs?: number;
};

/** After an outage a job rests, twice as long after each further one. */
const PAUSE_DOUBLINGS = 4;
const LONGEST_PAUSE_MS = 10_000;

/** The jobs of this process under way. */
export type MediaWork = {
  /** Resolves once the jobs under way have ended or been given back, after the signal. */
  readonly ended: Promise<void>;
};

/** Works off the media queue until `signal`. Any number of processes may do so; one job is held by one at a time. */
export function startMediaWork(deps: MediaWorkDeps, options: MediaWorkOptions, signal: AbortSignal): MediaWork {
  let bell = new AbortController();
  const running = new Set<Promise<void>>();
  const counted = metrics
    .getMeter('shutterlog')
    .createCounter('media_jobs', { description: 'Media jobs by how they ended.' });

  const backlog = watchBacklog(deps.queue, () => performance.now());

  const start = (job: MediaJob) => {
    const work = workOn({ ...deps, backlog }, options, job, signal)
      .then((outcome) => {
        counted.add(1, { outcome });
      })
      .catch((error: unknown) => {
        deps.log.error({ err: error, media_id: job.mediaId }, 'a media job was left to its lease');
      })
      .finally(() => {
        running.delete(work);
        bell.abort();
      });
    running.add(work);
  };

  const rounds = async () => {
    while (!signal.aborted) {
      bell = new AbortController();
      const room = options.concurrency - running.size;
      const jobs = room > 0 ? await claim(deps, room, leaseOf(options)) : [];
      for (const job of jobs) start(job);
      if (jobs.length === 0) await pause(options.pollMs ?? 500, AbortSignal.any([signal, bell.signal]));
    }
    await Promise.all(running);
  };
  deps.queue.listen(() => {
    bell.abort();
  });
  return { ended: rounds() };
}

const repeated = new RepeatedLines(10_000);

async function claim({ queue, log }: MediaWorkDeps, room: number, leaseMs: number): Promise<MediaJob[]> {
  try {
    return await queue.take(room, leaseMs);
  } catch (error) {
    repeated.note('claim', (times) => {
      logTrouble(log, error, { times }, 'cannot read the media queue');
    });
    return [];
  }
}

async function workOn(
  deps: MediaWorkDeps & { readonly backlog: ReturnType<typeof watchBacklog> },
  options: MediaWorkOptions,
  job: MediaJob,
  signal: AbortSignal,
): Promise<string> {
  const leaseMs = leaseOf(options);
  const renewing = setInterval(() => {
    renewLease(deps.pool, job, leaseMs).catch(() => undefined);
  }, leaseMs / 3);
  try {
    const parent = job.traceparent ?? undefined;
    const outcome = await inSpan(
      'media job',
      { parent, attributes: { 'shutterlog.media_id': job.mediaId } },
      async () => makeMedia(deps, contextOf(job), { mediaId: job.mediaId, options: await deps.backlog.options() }),
    );
    await finishJob(deps.pool, job);
    return outcome;
  } catch (error) {
    if (signal.aborted || isOutage(error)) {
      if (!signal.aborted)
        logTrouble(deps.log, error, { media_id: job.mediaId }, 'a media job waits for a store that is away');
      await giveBack(deps.pool, job, options, signal);
      return 'returned';
    }
    const next = await failJob(deps.pool, job, { reason: describe(error), pauseMs: options.retryMs ?? 1_000 });
    deps.log[next === 'dead' ? 'error' : 'warn'](
      { err: error, media_id: job.mediaId, attempt: tryOf(job) },
      next === 'dead' ? 'a media job is a dead letter' : 'a media job failed and is tried again',
    );
    return next;
  } finally {
    clearInterval(renewing);
  }
}

// What it is written down in may itself be what is away: said as soon as it is back, whoever has the job by then.
async function giveBack(
  pool: Pool,
  job: MediaJob,
  { retryMs = 1_000 }: MediaWorkOptions,
  signal: AbortSignal,
): Promise<void> {
  const pauseMs = Math.min(retryMs * 2 ** Math.min(job.outages, PAUSE_DOUBLINGS), LONGEST_PAUSE_MS);
  for (;;) {
    try {
      return await returnJob(pool, job, signal.aborted ? 0 : pauseMs);
    } catch (error) {
      if (signal.aborted || !isOutage(error)) throw error;
      await pause(pauseMs, signal);
    }
  }
}

function leaseOf({ leaseMs }: MediaWorkOptions): number {
  return leaseMs ?? 10_000;
}

function contextOf({ eventId, correlationId, traceparent }: MediaJob): CommandContext {
  return {
    commandId: reactionCommandId(eventId, MEDIA_REACTION),
    actorId: 'system',
    correlationId,
    causationId: eventId,
    now: new Date(),
    ...(traceparent === null ? {} : { traceparent }),
  };
}
