import { afterAll, beforeAll, expect, it } from 'vitest';
import { listen, type RunningServer } from '../../infra/http/server.ts';
import { startTelemetry, type Telemetry } from '../../infra/process/telemetry.ts';
import type { ProjectionStatus } from './status.ts';
import { showStops } from './stop-metrics.ts';

const HOUR_MS = 3_600_000;
let telemetry: Telemetry;
let scrape: RunningServer;
let standing: Parameters<typeof showStops>[0];
let now = 0;
beforeAll(async () => {
  telemetry = startTelemetry({ process: 'stop-metrics-test' });
  scrape = await listen(
    (request, response) => {
      telemetry.metricsHandler(request, response);
    },
    { port: 0, host: '127.0.0.1', drainLimitMs: 100 },
  );
  showStops(
    () => standing(),
    () => now,
  );
});
afterAll(async () => {
  await scrape.close();
  await telemetry.shutdown();
});

type Stop = NonNullable<ProjectionStatus['stopped']>;
const follows = (state: 'following' | 'stopped', stopped?: string) => () => [
  { entry: { name: 'follows' }, state, stopped: stopped === undefined ? undefined : stopAt(stopped) },
];
const stopAt = (eventId: string): Stop => ({
  eventId,
  type: 'AccountFollowed',
  streamId: 'follow-x',
  position: '0'.repeat(32),
  error: 'it cannot be read',
  attempts: 5,
  at: new Date(0).toISOString(),
});

/** What a scraper gets: for each series the event in its labels, if any, and the value. */
async function series(): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${String(scrape.port)}/metrics`)).text();
  return Object.fromEntries(
    [
      ...text.matchAll(
        /^projection_stopped\{projection="follows"(?:,event_type="AccountFollowed",event_id="(\w+)")?[^}]*\} (\S+)/gm,
      ),
    ].map(([, event = 'none', value]) => [event, Number(value)]),
  );
}

it('a stop is told as 0 for an hour after its end, then no more, however many there were', async () => {
  standing = follows('stopped', 'one');
  expect(await series()).toEqual({ one: 1 });
  standing = follows('stopped', 'two');
  expect(await series()).toEqual({ one: 0, two: 1 });
  now += HOUR_MS - 1;
  expect(await series()).toEqual({ one: 0, two: 1 });
  now += 1;
  expect(await series()).toEqual({ two: 1 });
  standing = follows('following');
  expect(await series()).toEqual({ two: 0, none: 0 });
  now += HOUR_MS;
  expect(await series()).toEqual({ none: 0 });
});

it('every scraper gets everything, however many come at once', async () => {
  standing = follows('stopped', 'three');
  const answers = await Promise.all(Array.from({ length: 20 }, series));
  expect(answers).toEqual(answers.map(() => ({ three: 1, none: 0 })));
});
