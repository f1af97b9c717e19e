import { MEDIA_JOBS_DDL, MEDIA_REACTION } from './media-jobs.ts';
import type { MediaQueue } from './media-queue.ts';
import type { Reaction } from '../reaction.ts';

/** Puts each uploaded file, and each picture that is to get a filter, in line to be made ready. */
export function processMedia({ queue }: { readonly queue: Pick<MediaQueue, 'add'> }): Reaction {
  return {
    name: MEDIA_REACTION,
    handles: ['UploadCompleted', 'MediaDerived'],
    ddl: MEDIA_JOBS_DDL,
    react: async (event, { correlationId, traceparent }) => {
      if (event.type !== 'UploadCompleted' && event.type !== 'MediaDerived')
        throw new Error(`${MEDIA_REACTION} does not handle ${event.type}`);
      await queue.add({
        mediaId: event.data.mediaId,
        eventId: event.id,
        correlationId,
        traceparent: traceparent ?? null,
      });
    },
  };
}
