import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../infra/ids.ts';
import { startTelemetry, type Telemetry } from '../../infra/process/telemetry.ts';
import { happened } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { listBuilds } from '../builds/build-store.ts';
import { follows } from '../models/follows.ts';
import { watchStatus, type StatusWatch } from './metrics.ts';
import type { PostgresProjection } from '../projection.ts';
import { rebuild } from '../rebuild/rebuild.ts';
import type { RebuildDeps } from '../rebuild/rebuild-deps.ts';

const FOLLOWS = 40;
/** The log begins with one of its own. */
const EVENTS = FOLLOWS + 1;
let world: ProjectorWorld;
let telemetry: Telemetry;
let scrape: Server;
let watch: StatusWatch;
const over = new AbortController();
beforeAll(async () => {
  telemetry = startTelemetry({ process: 'rebuild-metrics-test' });
  scrape = createServer((request, response) => {
    telemetry.metricsHandler(request, response);
  });
  await new Promise<void>((resolve) => {
    scrape.listen(0, '127.0.0.1', resolve);
  });
  world = await openProjectorWorld();
  watch = watchStatus(
    { pool: world.pool, store: world.store, catalog: [follows], now: () => new Date() },
    world.log,
    50,
  );
  await world.append(
    ...Array.from({ length: FOLLOWS }, () =>
      happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }),
    ),
  );
});
afterAll(async () => {
  over.abort();
  watch.close();
  scrape.close();
  await world.close();
  await telemetry.shutdown();
});

/** What a scraper of the projector gets of rebuilds of follows, by name. */
async function gauges(): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${String((scrape.address() as AddressInfo).port)}/metrics`)).text();
  const found = text.matchAll(
    /^(rebuild_\w+|projection_builds)\{projection="follows"(?:,state="(\w+)")?[^}]*\} (\S+)/gm,
  );
  return Object.fromEntries(
    [...found].map(([, name = '', state, value]) => [state === undefined ? name : `${name} ${state}`, Number(value)]),
  );
}
const NOTHING = {
  'projection_builds building': 0,
  'projection_builds dropped': 0,
  'projection_builds live': 0,
  'projection_builds previous': 0,
  'projection_builds side': 0,
  rebuild_build: 0,
  rebuild_running: 0,
  rebuild_events_done: 0,
  rebuild_events_expected: 0,
  rebuild_events_per_second: 0,
};
const deps = (): RebuildDeps => ({
  ...world,
  versions: new Map([['follows', follows.version]]),
  redis: () => Promise.reject(new Error('no Redis here')),
});
const run = (projection: PostgresProjection, check: () => Promise<void>) =>
  rebuild(deps(), { projections: [projection], onPoison: 'stop', signal: over.signal, report: () => undefined, check });

it('whoever scrapes the projector sees a rebuild: how far it is, how fast, in what state, and that nobody works at it any more', async () => {
  const idOf = async (state: string) =>
    (await listBuilds(world.pool, 'follows')).find((build) => build.state === state)?.id;
  await run(follows, async () => undefined);
  await eventually('the live build is shown', async () => (await gauges())['projection_builds live'] === 1);
  expect(await gauges()).toEqual({ ...NOTHING, 'projection_builds live': 1 });

  const gate = Promise.withResolvers<undefined>();
  const held: PostgresProjection = {
    ...follows,
    apply: async (...args) => {
      await gate.promise;
      await follows.apply(...args);
    },
  };
  const rebuilding = run(held, async () => {
    await eventually('it has passed everything', async () => (await gauges())['rebuild_events_done'] === EVENTS);
    throw new Error('interrupted here');
  }).catch((error: unknown) => error);
  await eventually('its beginning is shown', async () => (await gauges())['rebuild_running'] === 1);
  const build = await idOf('building');
  const shown = {
    ...NOTHING,
    'projection_builds live': 1,
    'projection_builds building': 1,
    rebuild_build: build,
    rebuild_events_expected: EVENTS,
  };
  expect(await gauges()).toEqual({ ...shown, rebuild_running: 1 });
  gate.resolve(undefined);
  await eventually('it moves', async () => ((await gauges())['rebuild_events_per_second'] ?? 0) > 0);
  expect(await rebuilding).toMatchObject({ message: 'interrupted here' });
  await eventually('nobody works at it', async () => (await gauges())['rebuild_running'] === 0);
  expect(await gauges()).toMatchObject({ ...shown, rebuild_events_done: EVENTS });

  await run(follows, async () => undefined);
  expect(await idOf('live')).toBe(build);
  await eventually('it is live, and no rebuild any more', async () => (await gauges())['rebuild_build'] === 0);
  expect(await gauges()).toEqual({ ...NOTHING, 'projection_builds live': 1, 'projection_builds previous': 1 });
});
