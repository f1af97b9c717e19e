import { metrics, type Meter, type ObservableResult } from '@opentelemetry/api';
import { BuildState } from '../builds/build-store.ts';
import type { BuildStatus, ProjectionStatus } from './status.ts';

type Seen = {
  readonly done: number;
  readonly expected: number;
  readonly perSecond: number;
  readonly at: number;
  readonly build: number;
  readonly running: boolean;
};
type Standing = {
  readonly projection: string;
  readonly rebuild: Seen | undefined;
  readonly builds: readonly BuildStatus[];
};

export type RebuildMetrics = {
  /** Takes in how everything stands now. */
  seen(statuses: readonly ProjectionStatus[]): void;
  close(): void;
};

/**
 * Shows how far builds that are being made have come, as their checkpoints tell it, so that whoever watches the
 * projector sees a rebuild that runs in another process. For each projection: `rebuild_build` (its number; 0: none is
 * being made),
 * `rebuild_running` (0 for one that was interrupted), `rebuild_events_done` of `rebuild_events_expected`,
 * `rebuild_events_per_second`, and `projection_builds`, how many builds it has in each state. The labels are always the
 * same ones: a series that is no longer told of would be shown for ever as it last was.
 */
export function showRebuilds(clock: () => number = () => performance.now()): RebuildMetrics {
  let standing: readonly Standing[] = [];
  const meter = metrics.getMeter('shutterlog');
  const rebuildGauge = (name: string, description: string, value: (seen: Seen) => number) =>
    showGauge(meter, { name, description }, (result) => {
      for (const { projection, rebuild } of standing)
        result.observe(rebuild === undefined ? 0 : value(rebuild), { projection });
    });
  const gauges = [
    rebuildGauge('rebuild_build', 'The build that is being made; 0 when there is none.', ({ build }) => build),
    rebuildGauge('rebuild_running', '1 while some process works at it.', ({ running }) => (running ? 1 : 0)),
    rebuildGauge(
      'rebuild_events_done',
      'Events of the log that a build which is being made has passed.',
      ({ done }) => done,
    ),
    rebuildGauge(
      'rebuild_events_expected',
      'Events that it has to pass until it is level with the log.',
      ({ expected }) => expected,
    ),
    rebuildGauge('rebuild_events_per_second', 'How fast it moved lately.', ({ perSecond }) => perSecond),
    showGauge(meter, { name: 'projection_builds', description: 'Builds that hold data, by state.' }, (result) => {
      for (const { projection, builds } of standing)
        for (const state of BuildState.options)
          result.observe(builds.filter(({ build }) => build.state === state).length, { projection, state });
    }),
  ];
  return {
    seen: (statuses) => {
      // Lanes do not count events: how many there are is known from whoever has.
      const expected = Math.max(0, ...statuses.flatMap(buildsOf).map(({ events, lag }) => events + lag.events));
      standing = statuses.map((status) => {
        const { name: projection } = status.entry;
        const builds = buildsOf(status);
        const made = builds.find(({ build }) => build.state === 'building');
        const before = standing.find((one) => one.projection === projection)?.rebuild;
        return {
          projection,
          builds,
          rebuild: made === undefined ? undefined : next(before, { status: made, expected, at: clock() }),
        };
      });
    },
    close: () => {
      for (const remove of gauges) remove();
    },
  };
}

function showGauge(
  meter: Meter,
  { name, description }: { name: string; description: string },
  observe: (result: ObservableResult) => void,
): () => void {
  const gauge = meter.createObservableGauge(name, { description });
  gauge.addCallback(observe);
  return () => {
    gauge.removeCallback(observe);
  };
}

function buildsOf({ live, others }: ProjectionStatus): BuildStatus[] {
  return [...(live === undefined ? [] : [live]), ...others];
}

function next(
  before: Seen | undefined,
  { status, expected, at }: { status: BuildStatus; expected: number; at: number },
): Seen {
  const done = Math.max(0, expected - status.lag.events);
  const seconds = before?.build === status.build.id ? (at - before.at) / 1_000 : 0;
  const perSecond = before === undefined || seconds <= 0 ? 0 : Math.max(0, Math.round((done - before.done) / seconds));
  return { build: status.build.id, running: status.fed, expected, at, done, perSecond };
}
