import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../testing/postgres.ts';
import { createTestRedis } from '../../../testing/redis.ts';
import { checkEventStore, checkOthers, checkPostgres, checkRedis } from './given-servers.ts';

// Port 1 of this machine: nobody listens there.
const NOBODY = '127.0.0.1:1';

describe('a server that the environment names', () => {
  it('passes when it answers', async () => {
    const [database, redis] = [await createTestDatabase(), await createTestRedis()];
    await checkPostgres('DATABASE_URL', database.url);
    await checkOthers({ DATABASE_READ_URL: database.url });
    await checkRedis(redis.url);
    await Promise.all([database.drop(), redis.close()]);
  });

  it.each([
    ['DATABASE_URL', () => checkPostgres('DATABASE_URL', `postgres://${NOBODY}/none`)],
    ['DATABASE_LISTEN_URL', () => checkOthers({ DATABASE_LISTEN_URL: `postgres://${NOBODY}/none` })],
    ['DATABASE_READ_URL', () => checkOthers({ DATABASE_READ_URL: `postgres://${NOBODY}/none` })],
    ['REDIS_URL', () => checkRedis(`redis://${NOBODY}`)],
    ['KAFKA_BROKERS', () => checkOthers({ KAFKA_BROKERS: NOBODY })],
    ['S3_ENDPOINT', () => checkOthers({ S3_ENDPOINT: `http://${NOBODY}` })],
  ])('is told of in one line with its variable when it does not: %s', async (variable, check) => {
    const failure = await check().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      name: 'StartError',
      message: expect.stringMatching(
        new RegExp(`^${variable}: .+ answers? there: .+$|^${variable}: .+ does not answer there: .+$`),
      ) as unknown,
    });
  });

  it('is told of with what to do about it, when it is an event store', async () => {
    await expect(checkEventStore(`esdb://${NOBODY}?tls=false`)).rejects.toMatchObject({
      name: 'StartError',
      message: `EVENTSTORE_URL: nobody listens on ${NOBODY}: start the event store there, or correct the port of the address`,
    });
  });

  it('is not waited for when it takes connections and never says a word', async () => {
    const silent = createServer((socket) => {
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const broker = `127.0.0.1:${String(typeof address === 'object' && address !== null ? address.port : 0)}`;
    await expect(checkOthers({ KAFKA_BROKERS: broker })).rejects.toThrow('KAFKA_BROKERS: Kafka does not answer there');
    silent.close();
  });
});
