import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { openVault } from '../infra/vault/vault.ts';
import { runCli } from '../testing/cli.ts';
import { happened, storedFact } from '../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';

// A real projector meets an event that no code can read, and an operator deals with it at the command line.
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');
const LIMIT_MS = 180_000;

let world: ProjectorWorld;
let redis: TestRedis;
let projector: ReturnType<typeof spawn>;
let port: number;
const poison = randomUUID();
const env = () => ({
  ...process.env,
  EVENTSTORE_URL: world.node.url,
  DATABASE_URL: world.databaseUrl,
  REDIS_URL: redis.url,
  MASTER_KEY,
  JWT_SECRET: 'x'.repeat(40),
  PROJECTOR_PORT: String(port),
  LOG_LEVEL: 'silent',
});
const follow = () => happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() });

beforeAll(async () => {
  [world, redis, port] = await Promise.all([openProjectorWorld(), createTestRedis(), freePort()]);
  await openVault({ pool: world.pool, masterKey: MASTER_KEY });
  await world.append(follow());
  projector = spawn(process.execPath, [fileURLToPath(new URL('../projections/main.ts', import.meta.url))], {
    env: env(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await eventually('the projector is ready', async () => (await health('ready')).status === 200, LIMIT_MS);
}, LIMIT_MS);
afterAll(async () => {
  const ended = projector.exitCode === null ? once(projector, 'exit') : undefined;
  projector.kill('SIGTERM');
  await ended;
  await world.close();
  await redis.close();
});

const shutterlog = (...args: string[]) => runCli(env(), args);

type Shown = { name: string; state: string; stopped: { event_id: string } | null; checkpoint: string; head: string };
const ask = (path: string) => fetch(`http://127.0.0.1:${String(port)}${path}`);
const health = (what: string) => ask(`/health/${what}`).catch(() => ({ status: 0 }));
const inHealth = async (name: string) =>
  ((await (await ask('/health/projections')).json()) as { projections: Shown[] }).projections.find(
    (one) => one.name === name,
  );
const isStopped = (name: string) =>
  eventually(`${name} stops at the event`, async () => (await inHealth(name))?.stopped?.event_id === poison, LIMIT_MS);

const alerts = async () =>
  (await (await ask('/metrics')).text())
    .split('\n')
    .filter((line) => line.startsWith('projection_stopped{') && line.endsWith(' 1'));

describe('an event that cannot be applied', () => {
  it(
    'stops the projection that needs it and no other; status, health and a metric name it',
    async () => {
      const { metadata } = storedFact(follow(), 0);
      await world.store.append(`follow-${poison}`, 'no_stream', [
        { id: poison, type: 'AccountFollowed', data: { followerId: 'nobody' }, metadata },
      ]);
      await world.append(follow());
      await isStopped('follows');
      expect((await health('ready')).status).toBe(503);
      const rows = JSON.parse((await shutterlog('projections', 'status', '--json')).out) as Shown[];
      expect(
        rows
          .filter(({ stopped }) => stopped !== null)
          .map(({ name, state, stopped }) => ({ name, state, event: stopped?.event_id })),
      ).toEqual([{ name: 'follows', state: 'stopped', event: poison }]);
      expect(rows.find(({ name }) => name === 'likes')).toMatchObject({
        state: 'following',
        checkpoint: rows[0]!.head,
      });
      expect(await alerts()).toEqual([expect.stringContaining(poison)]);
    },
    LIMIT_MS,
  );

  it(
    'is listed and shown with what went wrong',
    async () => {
      const listed = JSON.parse((await shutterlog('dead-letters', 'list', '--json')).out) as {
        id: string;
        attempts: number;
      }[];
      expect(listed.map(({ id }) => id).sort()).toEqual([`follows:${poison}`]);
      for (const { attempts } of listed) expect(attempts).toBeGreaterThan(1);
      const shown = await shutterlog('dead-letters', 'show', `follows:${poison}`);
      expect(JSON.parse(shown.out)).toMatchObject({
        state: 'stopped',
        type: 'AccountFollowed',
        event: { data: { followerId: 'nobody' }, revision: 0 },
      });
      expect((await shutterlog('dead-letters', 'show', 'follows:nothing')).code).toBe(2);
    },
    LIMIT_MS,
  );

  it(
    'makes a rebuild fail loudly, which names it and leaves readers what they have',
    async () => {
      const { code, err } = await shutterlog('projections', 'rebuild', 'follows');
      expect(code).toBe(1);
      expect(err).toContain(`follows cannot apply AccountFollowed ${poison}`);
      const verified = await shutterlog('projections', 'verify', 'follows');
      expect({ code: verified.code, names: verified.err.includes(poison) }).toEqual({ code: 0, names: false });
    },
    LIMIT_MS,
  );

  it(
    'stops them again when it is tried again and nothing was mended',
    async () => {
      expect((await shutterlog('dead-letters', 'retry', `follows:${poison}`)).code).toBe(0);
      await eventually(
        'the stop is lifted, then noted again',
        async () => {
          const { rows } = await world.pool.query<{ at: string | null }>(
            `select stopped->>'at' as at from projections.build where projection = 'follows' and state = 'live'`,
          );
          return rows[0]?.at !== null;
        },
        LIMIT_MS,
      );
      await isStopped('follows');
    },
    LIMIT_MS,
  );

  // Lanes come no further than the models that they read: they meet the event once `follows` has passed it.
  it(
    'lets it go on once it is skipped, and the lanes that waited for it likewise; it stays listed as parked',
    async () => {
      expect((await shutterlog('dead-letters', 'skip', `follows:${poison}`)).code).toBe(0);
      await isStopped('home-feed');
      expect((await health('ready')).status).toBe(503);
      const head = await world.append(follow());
      await eventually(
        'both go on',
        async () => {
          const letters = JSON.parse((await shutterlog('dead-letters', 'list', '--json')).out) as {
            id: string;
            state: string;
          }[];
          for (const { id, state } of letters) if (state === 'stopped') await shutterlog('dead-letters', 'skip', id);
          return (await Promise.all(['follows', 'home-feed', 'story-tray'].map(inHealth))).every(
            (one) => one?.stopped === null && one.checkpoint >= head,
          );
        },
        LIMIT_MS,
      );
      expect((await health('ready')).status).toBe(200);
      expect(await alerts()).toEqual([]);
      const listed = JSON.parse((await shutterlog('dead-letters', 'list', '--json')).out) as {
        id: string;
        state: string;
      }[];
      expect(listed.map(({ state }) => state)).toEqual(listed.map(() => 'parked'));
      expect(listed.map(({ id }) => id)).toContain(`follows:${poison}`);
      expect((await shutterlog('projections', 'rebuild', 'follows', '--on-poison', 'park')).code).toBe(0);
    },
    LIMIT_MS,
  );
});
