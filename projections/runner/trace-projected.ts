import { recordSpan } from '../../infra/process/telemetry.ts';
import type { Share } from './apply-batch.ts';

/** A larger share is a replay or a backlog: its requests ended long ago, and nobody reads a million spans. */
const MOST_TRACED_EVENTS = 50;

/** Records in the trace of each request that a projection has its event now. */
export function traceProjected(projection: string, { step, handled }: Share, startedAt: Date): void {
  if (step.events > MOST_TRACED_EVENTS) return;
  for (const { event } of handled) {
    const parent = event?.meta.traceparent;
    if (event === undefined || parent === undefined) continue;
    recordSpan(`project ${projection}`, {
      parent,
      startedAt,
      attributes: {
        'shutterlog.projection': projection,
        'shutterlog.event_type': event.type,
        'shutterlog.event_id': event.id,
      },
    });
  }
}
