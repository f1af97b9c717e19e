import { metrics, type Attributes, type ObservableGauge } from '@opentelemetry/api';
import type { Log } from '../infra/log.ts';
import { describe } from './failures.ts';
import { projectionStatus, type ProjectionState, type ProjectionStatus, type StatusSource } from './status.ts';

const EVERY_MS = 5_000;
const HALTED: readonly ProjectionState[] = ['stopped', 'refused', 'outdated'];

export type StatusWatch = {
  /** As it was at most a few seconds ago. */
  latest(): readonly ProjectionStatus[];
  close(): void;
};

/**
 * Looks at all projections every few seconds and shows them as metrics: `projection_lag_events`, `projection_lag_seconds`,
 * `projection_events`, `projection_stopped` (1, with the type and id of the event, when an event stopped it, or it was
 * built from another log or by another version) and
 * `projection_dead_letters`.
 */
export function watchStatus(source: StatusSource, log: Log): StatusWatch {
  let latest: readonly ProjectionStatus[] = [];
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      latest = await projectionStatus(source);
    } catch (error) {
      log.debug({ err: error }, `no status: ${describe(error)}`);
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => { void look(); }, EVERY_MS);
  void look();
  const meter = metrics.getMeter('shutterlog');
  const show = (gauge: ObservableGauge, value: (status: ProjectionStatus) => number | undefined, labels: (status: ProjectionStatus) => Attributes = () => ({})) => {
    gauge.addCallback((result) => {
      for (const status of latest) {
        const shown = value(status);
        if (shown !== undefined) result.observe(shown, { projection: status.entry.name, ...labels(status) });
      }
    });
  };
  show(meter.createObservableGauge('projection_lag_events', { description: 'Events of the log that the live build has not passed.' }), ({ live }) => live?.lag.events);
  show(meter.createObservableGauge('projection_lag_seconds', { description: 'Age of the oldest event that the live build has not passed.' }), ({ live }) => live?.lag.seconds);
  show(meter.createObservableGauge('projection_events', { description: 'Events of the log that the live build has passed.' }), ({ live }) => live?.events);
  show(meter.createObservableGauge('projection_stopped', { description: '1 when the projection cannot go on by itself.' }), ({ state }) => (HALTED.includes(state) ? 1 : 0), ({ stopped }) => (stopped === undefined ? {} : { event_type: stopped.type, event_id: stopped.eventId }));
  show(meter.createObservableGauge('projection_dead_letters', { description: 'Events that were parked on the order of an operator.' }), ({ deadLetters }) => deadLetters);
  return { latest: () => latest, close: () => { clearInterval(timer); } };
}
