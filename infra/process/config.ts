import { isIP } from 'node:net';
import { z } from 'zod';

const whole = (least: number, most: number) => {
  const must = `must be a whole number from ${String(least)}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${String(most)}`}`;
  return z.coerce.number(must).int(must).min(least, must).max(most, must);
};
const port = (fallback: number) => whole(0, 65_535).default(fallback);
const atLeastOne = whole(1, Number.MAX_SAFE_INTEGER);
const count = (fallback: number) => atLeastOne.default(fallback);
const oneOf = <const Values extends readonly string[]>(values: Values) =>
  z.enum(values, `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}`);
const url = (protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => protocols.some((protocol) => text.startsWith(`${protocol}://`)),
      `must start with ${protocols.map((p) => `${p}://`).join(' or ')}`,
    );
/** Addresses, networks and the names of kinds of them that Express knows, comma-separated. */
const networks = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
  .refine(
    (parts) => parts.every(isNetwork),
    'must list addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal',
  );
const postgresUrl = url(['postgres', 'postgresql']);

/** Every environment variable that Shutterlog reads; `.env.example` lists them with their meaning. */
const Environment = z.object({
  PORT: port(4000),
  WRITE_API_PORT: port(4001),
  READ_API_PORT: port(4002),
  PROJECTOR_PORT: port(4003),
  REACTOR_PORT: port(4004),
  /** Interface to listen on. */
  HOST: z.string().default('127.0.0.1'),
  /**
   * The proxies in front of the APIs: what they say in `X-Forwarded-For` is a client's address; nobody else is
   * believed.
   */
  TRUSTED_PROXIES: networks,
  /** Origin under which clients reach the edge; used in upload and media addresses. */
  PUBLIC_URL: url(['http', 'https']).optional(),
  EVENTSTORE_URL: url(['esdb', 'esdb+discover']),
  /** How long the event store may take to answer; after that long without answers it is left alone until it is back. */
  EVENTSTORE_ANSWER_LIMIT_MS: whole(100, 60_000).default(5_000),
  DATABASE_URL: postgresUrl,
  DATABASE_READ_URL: postgresUrl.optional(),
  /**
   * PostgreSQL itself, where the other addresses lead to a pooler in transaction mode: for LISTEN and locks of a
   * session.
   */
  DATABASE_LISTEN_URL: postgresUrl.optional(),
  /**
   * Whether hot reads are prepared on each connection: `auto` unless DATABASE_LISTEN_URL says that there is a pooler.
   */
  DATABASE_PREPARED: oneOf(['auto', 'on', 'off']).default('auto'),
  DATABASE_POOL_SIZE: count(10),
  /** One address, or several comma-separated ones of a Redis Cluster. */
  REDIS_URL: z
    .string()
    .refine(
      (text) => text.split(',').every((part) => /^rediss?:\/\//.test(part.trim())),
      'must start with redis:// or rediss://',
    ),
  KAFKA_BROKERS: z.string().optional(),
  /** What the names of Kafka topics, groups and transactional ids begin with, where several systems share one Kafka. */
  KAFKA_PREFIX: z
    .string()
    .regex(/^[a-z0-9._-]*$/, 'may hold lower-case letters, digits, dots, dashes and underscores')
    .default(''),
  S3_ENDPOINT: url(['http', 'https']).optional(),
  S3_BUCKET: z.string().default('shutterlog-media'),
  S3_FALLBACK_BUCKET: z.string().optional(),
  S3_REGION: z.string().default('us-east-1'),
  S3_ACCESS_KEY_ID: z.string().optional(),
  S3_SECRET_ACCESS_KEY: z.string().optional(),
  MEDIA_DIR: z.string().default('.data/media'),
  /** Takes `{"prefixes": [...]}` by POST when files are deleted; without it purges are only logged. */
  CDN_PURGE_URL: url(['http', 'https']).optional(),
  MEDIA_WORKERS: count(2),
  /** Whether videos are taken: `auto` takes them where ffmpeg answers. */
  VIDEO_UPLOADS: z.enum(['auto', 'on', 'off']).default('auto'),
  /** Where reactions without a checkpoint begin in a log that holds events already; without it the reactor refuses. */
  REACTIONS_FROM: oneOf(['start', 'end']).optional(),
  JWT_SECRET: z.string().min(32, 'must have at least 32 characters'),
  /** 32 bytes in base64: wraps the data keys of accounts. */
  MASTER_KEY: z.string().refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['http', 'https']).optional(),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  RATE_LIMITS: oneOf(['on', 'off']).default('on'),
  /** What one account may do; of failed log-ins, one account from one address in 15 minutes. */
  LIMIT_REQUESTS_PER_HOUR: count(1_000),
  LIMIT_POSTS_PER_DAY: count(50),
  LIMIT_FOLLOWS_PER_HOUR: count(200),
  LIMIT_LIKES_PER_HOUR: count(500),
  LIMIT_FAILED_LOGINS: count(10),
  /** Failed log-ins in 15 minutes from one address, whatever the names. */
  LIMIT_FAILED_LOGINS_PER_ADDRESS: count(30),
  CELEBRITY_THRESHOLD: count(10_000),
  /** Default: nine tenths of the threshold. */
  CELEBRITY_REVOKE_BELOW: atLeastOne.optional(),
  /** Default: a million, or the threshold where that is more. */
  SUPER_CELEBRITY_THRESHOLD: atLeastOne.optional(),
  /**
   * Events that fan-out may be behind before an alert, before idle feeds are dropped, and before feeds are computed by
   * their readers.
   */
  FAN_OUT_LAG_ALERT: count(100_000),
  FAN_OUT_LAG_ACTIVE: count(500_000),
  FAN_OUT_LAG_NONE: count(1_000_000),
  /** Whose feeds posts are written to, whatever the lag: all that exist, those read lately, or none. */
  FAN_OUT: z.enum(['auto', 'all', 'active', 'none']).default('auto'),
  /** Deliveries a second to the followers of one author beyond the first 10,000. */
  FAN_OUT_BURST_RATE: count(50_000),
  /** How long a completed upload that nothing shows is kept, and an object that no event names. */
  UNUSED_UPLOAD_HOURS: count(24),
  /** How long the build that a rebuild replaced stays fed, and a rollback possible. */
  BUILD_GRACE_MINUTES: count(60),
});

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  if (bits === undefined && ['loopback', 'linklocal', 'uniquelocal'].includes(address)) return true;
  const family = isIP(address);
  return (
    family !== 0 &&
    more.length === 0 &&
    (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
  );
}

/**
 * Settings that must not be larger than the one after them: out of order the later ones would never come into play, or
 * at once.
 */
const ASCENDING = [
  ['CELEBRITY_REVOKE_BELOW', 'CELEBRITY_THRESHOLD', 'SUPER_CELEBRITY_THRESHOLD'],
  ['FAN_OUT_LAG_ALERT', 'FAN_OUT_LAG_ACTIVE', 'FAN_OUT_LAG_NONE'],
] as const;

/** Settings that are of no use without another one. */
const NEEDS = [
  ['S3_ENDPOINT', 'S3_ACCESS_KEY_ID'],
  ['S3_ENDPOINT', 'S3_SECRET_ACCESS_KEY'],
  ['S3_FALLBACK_BUCKET', 'S3_ENDPOINT'],
] as const;

/** The settings with the defaults that follow from others, and in agreement with each other. */
const Agreed = Environment.transform((env) => ({
  ...env,
  CELEBRITY_REVOKE_BELOW: env.CELEBRITY_REVOKE_BELOW ?? Math.ceil((env.CELEBRITY_THRESHOLD * 9) / 10),
  SUPER_CELEBRITY_THRESHOLD: env.SUPER_CELEBRITY_THRESHOLD ?? Math.max(1_000_000, env.CELEBRITY_THRESHOLD),
})).superRefine((env, check) => {
  const refuse = (name: keyof typeof env, message: string) => {
    check.addIssue({ code: 'custom', path: [name], message });
  };
  for (const names of ASCENDING) {
    for (const [i, name] of names.entries()) {
      const next = names[i + 1];
      if (next !== undefined && env[name] > env[next]) refuse(name, `must not be larger than ${next}`);
    }
  }
  for (const [name, needed] of NEEDS)
    if (env[name] !== undefined && env[needed] === undefined) refuse(needed, `is missing, and ${name} needs it`);
  if (env.S3_FALLBACK_BUCKET === env.S3_BUCKET) refuse('S3_FALLBACK_BUCKET', 'must be another bucket than S3_BUCKET');
});

/** The program's settings, read once at start and handed on by parameter. */
export type Config = z.infer<typeof Agreed>;

/** A wrong or missing environment value; `message` has one line for each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Checks the environment. Throws ConfigError that names each wrong variable and what it must be; never shows a value.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Agreed.safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(
    (issue) =>
      `${issue.path.join('.')}: ${issue.code !== 'custom' && given[String(issue.path[0])] === undefined ? 'is missing' : issue.message}`,
  );
  throw new ConfigError(lines.join('\n'));
}

/** The names of all variables, for the test that keeps `.env.example` complete. */
export const CONFIG_VARIABLES: readonly string[] = Object.keys(Environment.shape);

/** The same for a process's first step: says each wrong variable on a line of its own and ends with exit code 1. */
export function configOrExit(env: Record<string, string | undefined>): Config {
  try {
    return readConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
