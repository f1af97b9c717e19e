import { metrics } from '@opentelemetry/api';
import { v7 as uuidv7 } from 'uuid';
import type { Log as Logger } from '../../../infra/process/log.ts';
import type { WishList } from '../../../infra/redis/work-queue.ts';
import type { MediaWorkers } from '../../../media/worker-pool.ts';
import type { AddVariantsDeps } from './add-variants.ts';
import { pause } from '../runner/leadership.ts';
import { FormatWish, makeFormat } from './make-format.ts';

export type FormatWorkDeps = Omit<AddVariantsDeps, 'workers'> & {
  readonly workers: Pick<MediaWorkers, 'process' | 'queued'>;
  readonly wishes: Pick<WishList, 'take'>;
  readonly log: Logger;
};

const LOOK_MS = 500;

/**
 * Makes the formats that clients wished for, one at a time and only while no upload waits for a worker, until `signal`.
 * What fails is left: whoever still wants it wishes again.
 */
export async function startFormatWork(deps: FormatWorkDeps, signal: AbortSignal, lookMs = LOOK_MS): Promise<void> {
  const counted = metrics
    .getMeter('shutterlog')
    .createCounter('media_formats', { description: 'Wished-for formats of media, by how they ended.' });
  while (!signal.aborted) {
    const wish = deps.workers.queued() > 0 ? null : await deps.wishes.take().catch(() => null);
    if (wish === null) await pause(lookMs, signal);
    else counted.add(1, { outcome: await fulfil(deps, wish, signal) });
  }
}

async function fulfil(deps: FormatWorkDeps, wish: string, signal: AbortSignal): Promise<string> {
  try {
    const commandId = uuidv7();
    return await makeFormat(
      deps,
      { commandId, actorId: 'system', correlationId: commandId, causationId: commandId, now: new Date() },
      FormatWish.parse(wish),
    );
  } catch (error) {
    if (!signal.aborted) deps.log.warn({ err: error, wish }, 'a format could not be made');
    return 'failed';
  }
}
