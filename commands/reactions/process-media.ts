import type { Pool } from '../../infra/postgres.ts';
import { MEDIA_JOBS_DDL, MEDIA_REACTION, queueJob } from './media-jobs.ts';
import type { Reaction } from './reaction.ts';

/** Queues each uploaded file, and each picture that is to get a filter, to be made ready. `onQueued` wakes the workers of this process. */
export function processMedia(deps: { readonly pool: Pool; readonly onQueued: () => void }): Reaction {
  return {
    name: MEDIA_REACTION,
    handles: ['UploadCompleted', 'MediaDerived'],
    ddl: MEDIA_JOBS_DDL,
    react: async (event, { correlationId, traceparent }) => {
      if (event.type !== 'UploadCompleted' && event.type !== 'MediaDerived') throw new Error(`${MEDIA_REACTION} does not handle ${event.type}`);
      await queueJob(deps.pool, { mediaId: event.data.mediaId, eventId: event.id, correlationId, traceparent: traceparent ?? null });
      deps.onQueued();
    },
  };
}
