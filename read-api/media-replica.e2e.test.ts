import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen, type RunningServer } from '../infra/http/server.ts';
import { createTokens } from '../infra/auth/jwt.ts';
import { createMediaAddresses } from '../infra/object-store/media-addresses.ts';
import { openPool, type Pool } from '../infra/postgres.ts';
import { noLimits } from '../infra/redis/rate-limit.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions, lanedModels } from '../projections/catalog.ts';
import { createFreshness } from '../projections/builds/consistency.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { createTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { happened } from '../testing/projection-spec.ts';
import { eventually } from '../testing/projector-world.ts';
import { openReadWorld, startProjecting, type ReadWorld } from '../testing/read-world.ts';
import { createReadApi } from './app.ts';
import { createReader, type Reader } from './reading.ts';

// A second database that is fed from the same log and then stands still: a replica that is behind.
const SECRET = 'a secret of the tests, long enough for anybody';
let world: ReadWorld;
let database: TestDatabase;
let replica: Pool;
const servers: RunningServer[] = [];

beforeAll(async () => {
  world = await openReadWorld();
  database = await createTestDatabase();
  replica = openPool(database.url, { size: 12, name: 'replica' });
  await prepareProjectionTables(replica);
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await replica.end();
  await database.drop();
  await world.close();
});

const readerOver = (sql: Pool): Reader =>
  createReader({ sql, builds: createBuildResolver(sql, codeVersions), freshness: createFreshness(sql, lanedModels) });

/** The read API whose answers come from the replica. */
async function apiWith(readers: { fileReader?: Reader }): Promise<string> {
  const { objects, log } = world;
  const addresses = createMediaAddresses({ publicUrl: undefined, secret: SECRET, now: () => new Date() });
  const app = createReadApi({
    reader: readerOver(replica),
    ...readers,
    objects,
    addresses,
    authenticator: createTokens(SECRET),
    rateLimiter: noLimits(),
    log,
    health: {},
    feedRoutes: [],
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1' });
  servers.push(server);
  return `http://127.0.0.1:${String(server.port)}`;
}

describe('with a replica that is behind', () => {
  it('a file of an account that has just become private is refused, as the primary says', async () => {
    const feed = await startProjecting({ ...world, pool: replica, databaseUrl: database.url });
    const ann = await world.person('ann');
    const path = `/media/media/${await world.medium(ann)}/small.webp`;
    await world.objects.put(path.slice('/media/'.length), Buffer.from('photo'), { contentType: 'image/webp' });
    const [lagging, mended] = [await apiWith({}), await apiWith({ fileReader: readerOver(world.pool) })];
    const served = async (origin: string) => (await fetch(origin + path)).status;
    await eventually(
      'both give the file out',
      async () => (await served(lagging)) === 200 && (await served(mended)) === 200,
    );
    await feed.close();
    await world.tell(happened('AccountMadePrivate', { accountId: ann }));
    await eventually('the primary has passed it', async () => (await served(world.url)) === 404);
    expect([await served(lagging), await served(mended)]).toEqual([200, 404]);
  });
});
