import { metrics } from '@opentelemetry/api';
import type { Log } from '../../infra/process/log.ts';
import { describe } from '../failures.ts';
import { showRebuilds } from './rebuild-metrics.ts';
import { projectionStatus, type ProjectionStatus, type StatusSource } from './status.ts';
import { showStops } from './stop-metrics.ts';

const EVERY_MS = 5_000;

type Gauge = {
  readonly name: string;
  readonly description: string;
  /** Undefined where nothing is known: nothing is shown then. */
  readonly value: (status: ProjectionStatus) => number | undefined;
};

const GAUGES: readonly Gauge[] = [
  {
    name: 'projection_lag_events',
    description: 'Events of the log that the live build has not passed.',
    value: ({ live }) => live?.lag.events,
  },
  {
    name: 'projection_lag_seconds',
    description: 'Age of the oldest event that the live build has not passed.',
    value: ({ live }) => live?.lag.seconds,
  },
  {
    name: 'projection_events',
    description: 'Events of the log that the live build has passed.',
    value: ({ live }) => live?.events,
  },
  {
    name: 'projection_dead_letters',
    description: 'Events that were parked on the order of an operator.',
    value: ({ deadLetters }) => deadLetters,
  },
];

export type StatusWatch = {
  /** As it was at most a few seconds ago. */
  latest(): readonly ProjectionStatus[];
  close(): void;
};

/**
 * Looks at all projections every few seconds and shows them as metrics: those of GAUGES, `projection_stopped` (1, with
 * the type and id of the event, when an event stopped it, or it was built from another log or by another version), and
 * of builds that are being made what rebuild-metrics.ts says.
 */
export function watchStatus(source: StatusSource, log: Log, everyMs = EVERY_MS): StatusWatch {
  let latest: readonly ProjectionStatus[] = [];
  const rebuilds = showRebuilds();
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      latest = await projectionStatus(source);
      rebuilds.seen(latest);
    } catch (error) {
      log.debug({ err: error }, `no status: ${describe(error)}`);
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => {
    void look();
  }, everyMs);
  void look();
  showGauges(() => latest);
  const hideStops = showStops(() => latest);
  return {
    latest: () => latest,
    close: () => {
      clearInterval(timer);
      rebuilds.close();
      hideStops();
    },
  };
}

function showGauges(latest: () => readonly ProjectionStatus[]): void {
  const meter = metrics.getMeter('shutterlog');
  for (const { name, description, value } of GAUGES) {
    meter.createObservableGauge(name, { description }).addCallback((result) => {
      for (const status of latest()) {
        const shown = value(status);
        if (shown !== undefined) result.observe(shown, { projection: status.entry.name });
      }
    });
  }
}
