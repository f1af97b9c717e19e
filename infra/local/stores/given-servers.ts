import { Redis } from 'ioredis';
import pg from 'pg';
import { openCheckedEventStore } from '../../event-store/event-store-checks.ts';
import { EventStoreUnusableError } from '../../event-store/event-store-probe.ts';
import { kafkaAddress, openKafka } from '../../kafka/kafka.ts';
import { createLog } from '../../process/log.ts';
import { reasonOf } from '../readiness.ts';
import { StartError } from '../start-error.ts';

/**
 * Checks of servers that the environment names, before anything is started on them: each resolves when its server
 * answers, and throws StartError that names the variable when it does not, within seconds.
 */
const ANSWER_LIMIT_MS = 5_000;
const LONGEST_MS = 10_000;

/** PostgreSQL at an address that came in `variable`. */
export async function checkPostgres(variable: string, connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: ANSWER_LIMIT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new StartError(`${variable}: PostgreSQL does not answer there: ${reasonOf(error)}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Redis, or the first node of a cluster. */
export async function checkRedis(addresses: string): Promise<void> {
  const client = new Redis(addresses.split(',')[0]?.trim() ?? addresses, {
    lazyConnect: true,
    retryStrategy: null,
    connectTimeout: ANSWER_LIMIT_MS,
  });
  let failure: unknown;
  client.on('error', (error) => {
    failure = error;
  });
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw new StartError(`REDIS_URL: Redis does not answer there: ${reasonOf(failure ?? error)}`);
  } finally {
    client.disconnect();
  }
}

/** An EventStoreDB or KurrentDB. */
export async function checkEventStore(url: string): Promise<void> {
  try {
    await within(openCheckedEventStore(url).then((store) => store.close()));
  } catch (error) {
    if (error instanceof EventStoreUnusableError) throw new StartError(`EVENTSTORE_URL: ${error.message}`);
    throw new StartError(`EVENTSTORE_URL: the event store does not answer there: ${reasonOf(error)}`);
  }
}

/** What else the environment may name: a replica, Kafka, an S3 server. */
export async function checkOthers(env: Record<string, string>): Promise<void> {
  const { DATABASE_READ_URL, DATABASE_LISTEN_URL, S3_ENDPOINT } = env;
  await Promise.all([
    ...(DATABASE_READ_URL === undefined ? [] : [checkPostgres('DATABASE_READ_URL', DATABASE_READ_URL)]),
    ...(DATABASE_LISTEN_URL === undefined ? [] : [checkPostgres('DATABASE_LISTEN_URL', DATABASE_LISTEN_URL)]),
    ...(S3_ENDPOINT === undefined ? [] : [checkS3(S3_ENDPOINT)]),
    checkKafka(env),
  ]);
}

async function checkKafka(env: Record<string, string>): Promise<void> {
  const address = kafkaAddress({ KAFKA_BROKERS: env['KAFKA_BROKERS'], KAFKA_PREFIX: '' });
  if (address === undefined) return;
  const admin = openKafka(address, createLog({ process: 'start', level: 'silent' })).admin();
  try {
    await within(admin.connect());
  } catch (error) {
    throw new StartError(`KAFKA_BROKERS: Kafka does not answer there: ${reasonOf(error)}`);
  } finally {
    admin.disconnect().catch(() => undefined);
  }
}

// Any answer will do: who may read which bucket is a matter of the processes' own credentials.
async function checkS3(endpoint: string): Promise<void> {
  try {
    await fetch(endpoint, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  } catch (error) {
    throw new StartError(
      `S3_ENDPOINT: no server answers there: ${reasonOf(error instanceof Error ? (error.cause ?? error) : error)}`,
    );
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${LONGEST_MS / 1000} s`));
    }, LONGEST_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
