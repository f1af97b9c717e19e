import type { Config } from '../infra/process/config.ts';
import { ConfigError, readConfig } from '../infra/process/config.ts';
import { openCheckedEventStore } from '../infra/event-store/event-store-checks.ts';
import type { EventStore } from '../infra/event-store/event-store.ts';
import { localEnvironment } from '../infra/local/addresses.ts';
import { createLog, type Log } from '../infra/process/log.ts';
import { onParentGone } from '../infra/process/parent-gone.ts';
import { openPool, type Pool, sessionUrlOf } from '../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis/redis.ts';

/** 0 done, 1 failed, 2 wrong use, 3 differences found. */
export type ExitCode = 0 | 1 | 2 | 3;

/** What went wrong, said to a person in one line; the command ends with `exitCode`. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  constructor(message: string, exitCode: ExitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What commands work with. Each resource is opened on first use and released when the command ends. */
export type CliContext = {
  readonly env: Record<string, string | undefined>;
  readonly log: Log;
  config(): Config;
  pool(): Pool;
  store(): Promise<EventStore>;
  redis(): Promise<RedisClient>;
  /** Registers what must be released when the command ends; returns the resource itself. */
  own<T>(resource: T, release: (resource: T) => Promise<unknown> | unknown): T;
  /**
   * Aborts on Ctrl-C, or when the process that started this one is gone, so that long work can stop between two steps.
   */
  readonly signal: AbortSignal;
};

/** Runs one command's work with an opened context and keeps its exit code. */
export type Run = (work: (context: CliContext) => Promise<ExitCode>) => Promise<void>;

const STORE_LIMIT_MS = 10_000;

/** Opens a context, runs one command with it, releases everything and says how it ended. Never throws. */
export async function runWithContext(
  options: { dataDir: string; env: Record<string, string | undefined> },
  work: (context: CliContext) => Promise<ExitCode>,
): Promise<ExitCode> {
  const releases: (() => Promise<unknown> | unknown)[] = [];
  const interrupted = new AbortController();
  const onSignal = () => {
    interrupted.abort();
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  onParentGone(onSignal);
  try {
    return await work(createContext(options, { releases, signal: interrupted.signal }));
  } catch (error) {
    return report(error, options.env['LOG_LEVEL'] === 'debug');
  } finally {
    for (const release of releases.reverse()) await Promise.resolve(release()).catch(() => undefined);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function createContext(
  options: { dataDir: string; env: Record<string, string | undefined> },
  life: { releases: (() => unknown)[]; signal: AbortSignal },
): CliContext {
  const { releases, signal } = life;
  const env = { ...localEnvironment(options.dataDir), ...options.env };
  const config = once(() => configOf(env, options.dataDir));
  const log = createLog({ process: 'cli', level: env['LOG_LEVEL'] === 'debug' ? 'debug' : 'silent' });
  const pool = once(() => {
    // Commands hold locks of a session, and statements that are longer than a pooler may allow.
    const opened = openPool(sessionUrlOf(config()), {
      size: config().DATABASE_POOL_SIZE,
      name: 'shutterlog-cli',
      statementTimeoutMs: 600_000,
    });
    releases.push(() => opened.end());
    return opened;
  });
  const store = once(async () => {
    const opened = await within(openCheckedEventStore(config().EVENTSTORE_URL), 'the event store', 'EVENTSTORE_URL');
    releases.push(() => opened.close());
    return opened;
  });
  const redis = once(async () => {
    const opened = openRedis(config().REDIS_URL);
    releases.push(() => {
      opened.disconnect();
    });
    await whenRedisReady(opened, STORE_LIMIT_MS);
    return opened;
  });
  const own: CliContext['own'] = (resource, release) => {
    releases.push(() => release(resource));
    return resource;
  };
  return { env, log, config, pool, store, redis, own, signal };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function configOf(env: Record<string, string | undefined>, dataDir: string): Config {
  try {
    return readConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint =
      env['EVENTSTORE_URL'] === undefined
        ? `Nothing runs on ${dataDir}: start it with npm start, name its folder with --data-dir, or set the environment.\n`
        : '';
    throw new CliError(`${hint}${error.message}`, 2);
  }
}

async function within<T>(work: Promise<T>, what: string, variable: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new CliError(`${what} did not answer within ${STORE_LIMIT_MS / 1000} s; is it running? (${variable})`));
    }, STORE_LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function report(error: unknown, verbose: boolean): ExitCode {
  if (error instanceof CliError) {
    console.error(error.message);
    return error.exitCode;
  }
  console.error(
    verbose ? error : `failed: ${error instanceof Error ? error.message : String(error)} (LOG_LEVEL=debug shows more)`,
  );
  return 1;
}
