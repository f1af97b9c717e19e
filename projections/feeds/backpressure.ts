import { metrics } from '@opentelemetry/api';
import type { FanOutLevel } from '../lane-projection.ts';

/** Events behind the log's head at which an operator is alerted, idle feeds are dropped, and fan-out stops. */
export type BackpressureLimits = { readonly alert: number; readonly active: number; readonly none: number };

/** The level after `before` with `lag` events behind. Fan-out that stopped begins again only below the alert. */
export function levelAt(lag: number, before: FanOutLevel, { alert, active, none }: BackpressureLimits): FanOutLevel {
  if (lag > none || (before === 'none' && lag >= alert)) return 'none';
  return lag > active ? 'active' : 'all';
}

export type BackpressureOptions = {
  readonly limits: BackpressureLimits;
  /** A level that an operator chose, whatever the lag. */
  readonly forced?: FanOutLevel | undefined;
  /** Events that a projection's live build has behind it; undefined while nobody knows. */
  readonly lagOf: (projection: string) => number | undefined;
};

/** The level of a projection's fan-out at this moment. */
export type Backpressure = (projection: string) => FanOutLevel;

export const NO_BACKPRESSURE: Backpressure = () => 'all';

const RANK = { all: 0, active: 2, none: 3 } as const;

/**
 * Watches how far fan-out is behind. Shows it as `fan_out_backpressure_level`: 0, 1 (alert), 2 (active accounts only),
 * 3 (no fan-out), beside `projection_lag_events`.
 */
export function watchBackpressure(
  { limits, forced, lagOf }: BackpressureOptions,
  projections: readonly string[],
): Backpressure {
  const levels = new Map<string, FanOutLevel>();
  const levelOf: Backpressure = (projection) => {
    if (forced !== undefined) return forced;
    const before = levels.get(projection) ?? 'all';
    const lag = lagOf(projection);
    const level = lag === undefined ? before : levelAt(lag, before, limits);
    levels.set(projection, level);
    return level;
  };
  metrics
    .getMeter('shutterlog')
    .createObservableGauge('fan_out_backpressure_level', {
      description: '1: behind, 2: only feeds that were read lately are kept, 3: feeds are computed by their readers.',
    })
    .addCallback((result) => {
      for (const projection of projections) {
        const level = levelOf(projection);
        const alerted = level === 'all' && (lagOf(projection) ?? 0) > limits.alert;
        result.observe(alerted ? 1 : RANK[level], { projection });
      }
    });
  return levelOf;
}
