import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  AccessDeniedError,
  CancelledError,
  DeadlineExceededError,
  TimeoutError,
  UnavailableError,
  UnknownError,
} from '@eventstore/db-client';
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEventStore } from '../infra/event-store/event-store.ts';
import { listen, type RunningServer } from '../infra/http/server.ts';
import { guardObjectStore } from '../infra/object-store/object-store-guarded.ts';
import { createS3ObjectStore } from '../infra/object-store/object-store-s3.ts';
import type { ObjectStore } from '../infra/object-store/object-store.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis/redis.ts';
import { startRedisCluster, type RedisCluster } from '../testing/redis-cluster.ts';
import { isOutage } from './failures.ts';

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('the event store is away', () => {
  const call = (code: status): ServiceError =>
    Object.assign(new Error(`${String(code)} ${status[code]}`), {
      code,
      details: status[code],
      metadata: new Metadata(),
    });

  it.each([status.CANCELLED, status.DEADLINE_EXCEEDED, status.UNAVAILABLE])(
    'when a call ends with code %i of gRPC',
    (code) => {
      expect(isOutage(call(code))).toBe(true);
      expect(isOutage(new Error('while something was done', { cause: call(code) }))).toBe(true);
    },
  );

  it('when the client says so in its own words, or cancelled the call itself', () => {
    const said = [
      new UnavailableError(call(status.UNAVAILABLE)),
      new DeadlineExceededError(),
      new CancelledError(call(status.CANCELLED)),
      new TimeoutError(call(status.ABORTED)),
      new UnknownError(call(status.CANCELLED)),
    ];
    expect(said.map(isOutage)).toEqual(said.map(() => true));
  });

  it('when none of its cluster answers', async () => {
    expect(isOutage(await failureOf(openEventStore('esdb://127.0.0.1:1,127.0.0.1:2?tls=false')))).toBe(true);
  });

  it('and not when it refuses', () => {
    const refused = [call(status.INVALID_ARGUMENT), new UnknownError(call(status.UNKNOWN))];
    expect(refused.map(isOutage)).toEqual(refused.map(() => false));
  });

  it('when it does not let our user, until somebody mends that', () => {
    expect(isOutage(new AccessDeniedError(call(status.PERMISSION_DENIED)))).toBe(true);
  });

  it.each([1, 4, 14])(
    'and not when a program ends with exit code %i, or Kafka answers with that error code',
    async (code) => {
      const ended = await failureOf(promisify(execFile)(process.execPath, ['-e', `process.exit(${String(code)})`]));
      expect(ended).toMatchObject({ code });
      const answered = new kafkajs.KafkaJSProtocolError(
        Object.assign(new Error('an error of Kafka'), { type: 'unavailable', code }),
      );
      expect(answered).toMatchObject({ code });
      expect([isOutage(ended), isOutage(answered)]).toEqual([false, false]);
    },
  );
});

describe('the object store is away', () => {
  let server: RunningServer;
  let store: ObjectStore;
  // Answers what the key asks for, as S3 writes it: `<status>/<code>`, nothing at all to `none/…`.
  beforeAll(async () => {
    server = await listen(
      (request, response) => {
        const [, , answer = '', code = ''] = (request.url ?? '').split(/[/?]/);
        if (answer === 'none') return;
        response
          .writeHead(Number(answer), { 'content-type': 'application/xml' })
          .end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>so it is</Message></Error>`);
      },
      { port: 0, host: '127.0.0.1', drainLimitMs: 100 },
    );
    store = createS3ObjectStore({
      endpoint: `http://127.0.0.1:${String(server.port)}`,
      bucket: 'bucket',
      region: 'us-east-1',
      credentials: { accessKeyId: 'k', secretAccessKey: 's' },
      timeoutMs: 300,
    });
  });
  afterAll(() => store.close());

  it.each([
    ['503/SlowDown', true],
    ['503/ServiceUnavailable', true],
    ['500/InternalError', true],
    ['400/RequestTimeout', true],
    ['none/of-it', true],
    ['403/AccessDenied', false],
    ['400/InvalidRequest', false],
    ['501/NotImplemented', false],
  ])('answers %s: %s', async (key, away) => {
    const failures = await Promise.all(
      [store.get(key), store.put(key, Buffer.from('x'), { contentType: 'image/webp' }), store.head(key)].map(failureOf),
    );
    // Without a body S3 cannot say more than the status: to a HEAD every 400 is the same.
    const asked = key === '400/RequestTimeout' ? failures.slice(0, 2) : failures;
    expect(asked.map(isOutage)).toEqual(asked.map(() => away));
  });

  it('while nobody listens, and while it is left alone because of that', async () => {
    await server.close();
    const guarded = guardObjectStore(store, { retries: 0, failuresToOpen: 1, halfOpenAfterMs: 60_000 });
    const [first, second] = [
      await failureOf(guarded.head('503/SlowDown')),
      await failureOf(guarded.head('503/SlowDown')),
    ];
    expect(second).toMatchObject({ name: 'ObjectStoreUnavailable' });
    expect([isOutage(first), isOutage(second)]).toEqual([true, true]);
  });
});

describe('Redis is away', () => {
  let cluster: RedisCluster;
  let redis: RedisClient;
  beforeAll(async () => {
    cluster = await startRedisCluster();
    redis = openRedis(cluster.url);
    await whenRedisReady(redis, 10_000);
  });
  afterAll(async () => {
    redis.disconnect();
    await cluster.close();
  });

  /** How commands over all slots fail until one of them says `last`. */
  async function failuresUntil(last: RegExp): Promise<unknown[]> {
    const failures: unknown[] = [];
    await expect
      .poll(
        async () => {
          const answers = await Promise.allSettled(
            Array.from({ length: 30 }, (_, i) => redis.set(`key ${String(i)}`, '1')),
          );
          failures.push(
            ...answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : [])),
          );
          return failures.map(String).some((said) => last.test(said));
        },
        { timeout: 30_000 },
      )
      .toBe(true);
    return failures;
  }

  it('when a cluster has lost one master, from the first failure on until all masters know it, and when it has lost all', async () => {
    await cluster.kill(0);
    const failures = await failuresUntil(/cluster is down/i);
    await cluster.kill();
    failures.push(...(await failuresUntil(/cluster isn't ready/i)));
    expect(new Set(failures.filter((failure) => !isOutage(failure)).map(String))).toEqual(new Set());
  });

  it('and not when it refuses', async () => {
    await cluster.restart();
    await whenRedisReady(redis, 10_000);
    await redis.set('text', 'is no list');
    const refused = await failureOf(redis.lpush('text', '1'));
    expect(String(refused)).toContain('WRONGTYPE');
    expect(isOutage(refused)).toBe(false);
  });
});
