import { metrics, type Attributes } from '@opentelemetry/api';
import type { ProjectionState, ProjectionStatus } from './status.ts';

const HALTED: readonly ProjectionState[] = ['stopped', 'refused', 'outdated'];
/** So long a stop that is over is told as 0, for whoever looks now and then. */
const TOLD_MS = 3_600_000;

type Standing = Pick<ProjectionStatus, 'state' | 'stopped'> & { readonly entry: { readonly name: string } };
type Ended = { readonly labels: Attributes; readonly seenAt: number };

/**
 * Shows `projection_stopped` for each projection: 1 when it cannot go on by itself, with the event in the labels when
 * an event stopped it. When that is over, its series is told as 0 for an hour and then forgotten, so that there are as
 * many series as stops of the last hour and not as of the life of the process.
 */
export function showStops(
  latest: () => readonly Standing[],
  clock: () => number = () => performance.now(),
): () => void {
  const told = new Map<string, Ended>();
  const gauge = metrics
    .getMeter('shutterlog')
    .createObservableGauge('projection_stopped', { description: '1 when the projection cannot go on by itself.' });
  const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
    const seenAt = clock();
    const now = new Set<string>();
    for (const { entry, state, stopped } of latest()) {
      const labels: Attributes = {
        projection: entry.name,
        ...(stopped === undefined ? {} : { event_type: stopped.type, event_id: stopped.eventId }),
      };
      const key = JSON.stringify(labels);
      now.add(key);
      told.set(key, { labels, seenAt });
      result.observe(HALTED.includes(state) ? 1 : 0, labels);
    }
    for (const [key, { labels, seenAt: last }] of told) {
      if (now.has(key)) continue;
      if (seenAt - last < TOLD_MS) result.observe(0, labels);
      else told.delete(key);
    }
  };
  gauge.addCallback(observe);
  return () => {
    gauge.removeCallback(observe);
  };
}
