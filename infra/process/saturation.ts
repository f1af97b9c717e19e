import { metrics } from '@opentelemetry/api';
import { performance } from 'node:perf_hooks';

/** How busy this process is, from 0 to 1: the share of the last second in which its event loop had work. */
export type Saturation = { now(): number; close(): void };

const SAMPLE_MS = 1_000;

/** Measures until it is closed. */
export function watchSaturation(): Saturation {
  let last = performance.eventLoopUtilization();
  let utilization = 0;
  const timer = setInterval(() => {
    const next = performance.eventLoopUtilization();
    utilization = performance.eventLoopUtilization(next, last).utilization;
    last = next;
  }, SAMPLE_MS);
  timer.unref();
  const gauge = metrics.getMeter('shutterlog').createObservableGauge('event_loop_saturation', {
    description: 'Share of the last second in which the event loop had work.',
  });
  gauge.addCallback((result) => {
    result.observe(utilization);
  });
  return {
    now: () => utilization,
    close: () => {
      clearInterval(timer);
    },
  };
}
