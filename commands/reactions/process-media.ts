import type { Pool } from '../../infra/postgres.ts';
import { MEDIA_JOBS_DDL, MEDIA_REACTION, queueJob } from './media-jobs.ts';
import type { Reaction } from './reaction.ts';

/** Queues each uploaded file to be made ready. `onQueued` wakes the workers of this process. */
export function processMedia(deps: { readonly pool: Pool; readonly onQueued: () => void }): Reaction {
  return {
    name: MEDIA_REACTION,
    handles: ['UploadCompleted'],
    ddl: MEDIA_JOBS_DDL,
    react: async (event, { correlationId, traceparent }) => {
      if (event.type !== 'UploadCompleted') return;
      await queueJob(deps.pool, { mediaId: event.data.mediaId, eventId: event.id, correlationId, traceparent: traceparent ?? null });
      deps.onQueued();
    },
  };
}
