import type { StoppedAt } from '../builds/build-store.ts';
import type { BuildStatus, ProjectionStatus } from './status.ts';

/** A projection's status as `projections status --json` and the projector's health show it. */
export function presentStatus({
  entry,
  live,
  others,
  state,
  head,
  stopped,
  deadLetters,
}: ProjectionStatus): Record<string, unknown> {
  return {
    name: entry.name,
    store: entry.store,
    version: entry.version,
    ...(live === undefined ? NO_BUILD : presentLive(live)),
    head,
    state,
    stopped: stopped === undefined ? null : presentStop(stopped),
    dead_letters: deadLetters,
    other_builds: others.map(presentBuild),
  };
}

const NO_BUILD = {
  build: null,
  live_version: null,
  location: null,
  checkpoint: null,
  lag_events: null,
  lag_seconds: null,
  estimated: false,
  events_per_second: 0,
};

function presentLive({ build, checkpoint, lag, perSecond }: BuildStatus): Record<string, unknown> {
  return {
    build: build.id,
    live_version: build.version,
    location: build.location,
    checkpoint,
    lag_events: lag.events,
    lag_seconds: round(lag.seconds),
    estimated: lag.estimated,
    events_per_second: perSecond,
  };
}

function presentStop({ eventId, type, streamId, position, error, attempts, at }: StoppedAt): Record<string, unknown> {
  return { event_id: eventId, type, stream: streamId, position, error, attempts, at };
}

function presentBuild({ build, checkpoint, lag, perSecond }: BuildStatus): Record<string, unknown> {
  return {
    build: build.id,
    version: build.version,
    state: build.state,
    location: build.location,
    since: build.stateSince.toISOString(),
    until: build.untilPosition ?? null,
    checkpoint,
    lag_events: lag.events,
    estimated: lag.estimated,
    events_per_second: perSecond,
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
