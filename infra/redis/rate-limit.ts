import { metrics } from '@opentelemetry/api';
import { z } from 'zod';
import type { Config } from '../process/config.ts';
import type { LimitState, RateLimiter } from '../http/services.ts';
import type { RedisClient } from './redis.ts';

/** A token bucket: `capacity` requests at once, refilled evenly over `windowMs`. */
export type Bucket = { readonly capacity: number; readonly windowMs: number };
export type BucketName = 'requests' | 'posts' | 'follows' | 'likes' | 'failed_logins' | 'failed_logins_per_address';

const HOUR_MS = 3_600_000;

/** The buckets that the settings ask for. */
export function limitsOf(
  config: Pick<
    Config,
    | 'LIMIT_REQUESTS_PER_HOUR'
    | 'LIMIT_POSTS_PER_DAY'
    | 'LIMIT_FOLLOWS_PER_HOUR'
    | 'LIMIT_LIKES_PER_HOUR'
    | 'LIMIT_FAILED_LOGINS'
    | 'LIMIT_FAILED_LOGINS_PER_ADDRESS'
  >,
): Readonly<Record<BucketName, Bucket>> {
  return {
    requests: { capacity: config.LIMIT_REQUESTS_PER_HOUR, windowMs: HOUR_MS },
    posts: { capacity: config.LIMIT_POSTS_PER_DAY, windowMs: 24 * HOUR_MS },
    follows: { capacity: config.LIMIT_FOLLOWS_PER_HOUR, windowMs: HOUR_MS },
    likes: { capacity: config.LIMIT_LIKES_PER_HOUR, windowMs: HOUR_MS },
    failed_logins: { capacity: config.LIMIT_FAILED_LOGINS, windowMs: HOUR_MS / 4 },
    failed_logins_per_address: { capacity: config.LIMIT_FAILED_LOGINS_PER_ADDRESS, windowMs: HOUR_MS / 4 },
  };
}

/** Whose password is tried, under a name that tells nothing, and from where. */
export type LoginTry = { readonly name: string; readonly address: string };

/** Counts requests and failed log-ins. */
export type Limits = RateLimiter & {
  /**
   * Draws one try to log in before it is made, so that many at once cannot slip through; give it back when it succeeds.
   * It counts for the name from that address, and for the address whatever the name: many names with one password each
   * are as much guessing as many passwords for one name.
   */
  takeLogin(attempt: LoginTry): Promise<LimitState | undefined>;
  giveBackLogin(attempt: LoginTry): Promise<void>;
};

/**
 * Draws from all buckets or from none. Redis's own clock counts, so that processes agree.
 * KEYS buckets; ARGV count, then capacity and window of each. Answers per bucket: had enough (1/0), whole tokens left,
 * ms until full, ms until the next token.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local count = tonumber(ARGV[1])
local levels, enough = {}, true
for i, key in ipairs(KEYS) do
  local capacity, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local stored = redis.call('HMGET', key, 'level', 'at')
  local level = capacity
  if stored[1] then
    local passed = math.max(0, now - tonumber(stored[2]))
    level = math.min(capacity, tonumber(stored[1]) + passed * capacity / window)
  end
  levels[i] = level
  if level < count then enough = false end
end
local answer = {}
for i, key in ipairs(KEYS) do
  local capacity, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local had, level = levels[i] >= count and 1 or 0, levels[i]
  if enough then level = math.min(capacity, level - count) end
  redis.call('HSET', key, 'level', tostring(level), 'at', tostring(now))
  redis.call('PEXPIRE', key, math.ceil(window) + 1000)
  local next_token = math.max(0, (math.max(count, 1) - level) * window / capacity)
  answer[i] = { had, math.floor(level), math.ceil((capacity - level) * window / capacity), math.ceil(next_token) }
end
return answer
`;

const Answer = z.array(z.tuple([z.number(), z.number(), z.number(), z.number()]));
const ANSWER_LIMIT_MS = 250;
const PAUSE_MS = 5_000;

type Options = {
  readonly redis: RedisClient;
  readonly limits: Readonly<Record<BucketName, Bucket>>;
  readonly prefix?: string;
  /** How long Redis may take before a request is let through uncounted; 250 ms unless said otherwise. */
  readonly answerLimitMs?: number;
};

/** Limits counted in Redis by one atomic script. While Redis is away nobody is limited, and a metric says so. */
export function createLimits({
  redis,
  limits: buckets,
  prefix = 'limit',
  answerLimitMs = ANSWER_LIMIT_MS,
}: Options): Limits {
  const unlimited = metrics.getMeter('shutterlog').createCounter('shutterlog_rate_limit_open_total', {
    description: 'Requests let through uncounted because Redis did not answer',
  });
  let pausedUntil = 0;
  const draw = async (
    subject: string,
    names: readonly BucketName[],
    count: number,
  ): Promise<LimitState | undefined> => {
    if (Date.now() < pausedUntil) {
      unlimited.add(1);
      return undefined;
    }
    try {
      const keys = names.map((name) => `${prefix}:{${subject}}:${name}`);
      const sizes = names.flatMap((name) => [buckets[name].capacity, buckets[name].windowMs]);
      const answer = Answer.parse(await within(answerLimitMs, redis.eval(TAKE, keys.length, ...keys, count, ...sizes)));
      return tightest(
        names.map((name) => buckets[name]),
        answer,
      );
    } catch {
      // Asking a dead Redis again for each request would slow all of them down.
      pausedUntil = Date.now() + PAUSE_MS;
      unlimited.add(1);
      return undefined;
    }
  };
  return {
    take: (subject, names) => draw(subject, names, 1),
    takeLogin: async ({ name, address }) => {
      const ofName = await draw(`${name}/${address}`, ['failed_logins'], 1);
      if (ofName?.allowed === false) return ofName;
      // Two calls, because in a cluster the two may live on different servers.
      const ofAddress = await draw(address, ['failed_logins_per_address'], 1);
      if (ofAddress?.allowed !== false) return ofName;
      await draw(`${name}/${address}`, ['failed_logins'], -1);
      return ofAddress;
    },
    giveBackLogin: async ({ name, address }) => {
      await Promise.all([
        draw(`${name}/${address}`, ['failed_logins'], -1),
        draw(address, ['failed_logins_per_address'], -1),
      ]);
    },
  };
}

/** Limits for RATE_LIMITS=off: nobody is ever limited. */
export function noLimits(): Limits {
  return {
    take: () => Promise.resolve(undefined),
    takeLogin: () => Promise.resolve(undefined),
    giveBackLogin: () => Promise.resolve(),
  };
}

// The bucket that refuses, else the one with the fewest left, is the one that a caller wants to know of.
function tightest(buckets: readonly Bucket[], answer: z.infer<typeof Answer>): LimitState | undefined {
  const states = answer.map(([had, remaining, fullMs, nextMs], i): LimitState => ({
    allowed: had === 1,
    limit: buckets[i]?.capacity ?? 0,
    remaining: Math.max(0, remaining),
    resetSeconds: Math.ceil(fullMs / 1000),
    retryAfterSeconds: Math.max(1, Math.ceil(nextMs / 1000)),
  }));
  return states.toSorted((a, b) => Number(a.allowed) - Number(b.allowed) || a.remaining - b.remaining)[0];
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error('Redis is slow'));
    }, limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
