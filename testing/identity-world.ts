import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { v7 as uuidv7 } from 'uuid';
import type { NameHolders } from '../commands/accounts/find-account.ts';
import type { CommandContext, Log } from '../commands/handle.ts';
import { registerAccount, type RegisterAccountInput } from '../commands/accounts/register-account.ts';
import { Username } from '../domain/account-events.ts';
import type { AccountId } from '../domain/ids.ts';
import type { Actor } from '../domain/metadata.ts';
import { listen } from '../infra/http/server.ts';
import { createTokens, type Tokens } from '../infra/auth/jwt.ts';
import { createPasswords, type Passwords } from '../infra/auth/passwords.ts';
import { createLimits, type Bucket, type BucketName, type Limits } from '../infra/redis/rate-limit.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis/redis.ts';
import { openVault, type Vault } from '../infra/vault/vault.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions } from '../projections/catalog.ts';
import { createFreshness } from '../projections/builds/consistency.ts';
import { createWriteApi, type WriteApiDeps } from '../write-api/app.ts';
import { createAuthenticator } from '../infra/auth/authenticator.ts';
import { identityRoutes } from '../write-api/identity-routes.ts';
import { createOwnCounts } from '../write-api/own-counts.ts';
import { isWriteRefusal } from '../write-api/problem.ts';
import { USUAL_LIMITS } from './limits.ts';
import { openProjectorWorld, type ProjectorWorld } from './projector-world.ts';
import { createTestRedis } from './redis.ts';

/** A log, a database with a vault, and a Redis of their own, for tests about who somebody is. */
export type IdentityWorld = Omit<ProjectorWorld, 'keys'> &
  Log &
  Vault & {
    readonly vault: Vault;
    readonly masterKey: string;
    readonly redis: RedisClient;
    readonly passwords: Passwords;
    readonly tokens: Tokens;
    readonly jwtSecret: string;
    readonly holders: NameHolders;
    limits(changes?: Partial<Record<BucketName, Bucket>>): Limits;
    /** A fresh command of an account, or of the system. */
    as(actor: Actor, now?: Date): CommandContext;
    /** Registers somebody by command. Throws the refusal's code. */
    register(username: string, change?: Partial<RegisterAccountInput>): Promise<AccountId>;
    /**
     * Serves the write API with the identity routes and gives its origin; answers are checked against their schemas.
     */
    serve(changes?: Partial<WriteApiDeps> & { limits?: Limits }): Promise<string>;
    /** The types of all events in a stream. */
    types(streamId: string): Promise<string[]>;
  };

const CHEAP = { memoryCost: 1_024, timeCost: 1, parallelism: 1 };
/** On a busy machine Redis may be slow, and a test that counts must not be let through for that. */
const PATIENT_MS = 30_000;
export const PASSWORD = 'correct horse battery';

/** Opens a world; passwords cost little in it. */
export async function openIdentityWorld(): Promise<IdentityWorld> {
  const base = await openProjectorWorld();
  const masterKey = randomBytes(32).toString('base64');
  const vault = await openVault({ pool: base.pool, masterKey });
  const server = await createTestRedis();
  const redis = openRedis(server.url);
  await whenRedisReady(redis, 5_000);
  const passwords = await createPasswords({ cost: CHEAP });
  const jwtSecret = randomBytes(32).toString('hex');
  const tokens = createTokens(jwtSecret);
  const as = (actor: Actor, now = new Date()): CommandContext => ({
    commandId: uuidv7(),
    actorId: actor,
    correlationId: 'test',
    causationId: 'test',
    now,
  });
  const limits = (changes: Partial<Record<BucketName, Bucket>> = {}) =>
    createLimits({ redis, limits: { ...USUAL_LIMITS, ...changes }, prefix: uuidv7(), answerLimitMs: PATIENT_MS });
  const common = {
    ...base,
    ...vault,
    vault,
    masterKey,
    redis,
    passwords,
    tokens,
    jwtSecret,
    as,
    limits,
    holders: new LRUCache<string, AccountId>({ max: 1_000 }),
  };
  const counts = createOwnCounts({
    sql: base.pool,
    builds: createBuildResolver(base.pool, codeVersions),
    freshness: createFreshness(base.pool, new Set()),
    storeId: base.store.storeId,
  });
  const closers: (() => Promise<void>)[] = [];
  return {
    ...common,
    register: async (username, change = {}) => {
      const input = {
        username: Username.parse(username),
        email: `${username}@example.org`,
        password: PASSWORD,
        fullName: username,
        ...change,
      };
      const registered = await registerAccount({ ...common, hash: passwords.hash }, as('system'), input);
      if (!registered.ok) throw new Error(registered.refusal.code);
      return registered.accountId;
    },
    serve: async ({ limits: chosen = limits(), ...changes } = {}) => {
      const app = createWriteApi({
        routes: identityRoutes({ ...common, limits: chosen, counts }),
        authenticator: createAuthenticator(tokens, vault.sessions),
        rateLimiter: chosen,
        idempotency: vault.idempotency(isWriteRefusal),
        storeId: base.store.storeId,
        log: base.log,
        health: {},
        checkAnswers: true,
        ...changes,
      });
      const running = await listen(app, { port: 0, host: '127.0.0.1' });
      closers.push(() => running.close());
      return `http://127.0.0.1:${String(running.port)}`;
    },
    types: async (streamId) => (await base.store.readStream(streamId)).map(({ type }) => type),
    close: async () => {
      await Promise.all(closers.map((close) => close()));
      redis.disconnect();
      await Promise.all([base.close(), server.close()]);
    },
  };
}
