import type { Pool } from '../../infra/postgres.ts';
import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import type { Log } from '../../infra/process/log.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import type { CodeVersions } from '../builds/builds.ts';
import type { ReplayDeps } from './replay.ts';

/** What a rebuild works with. */
export type RebuildDeps = Pick<ReplayDeps, 'parallel'> & {
  /** On the primary, with a connection for each projection and some more. Commits need not wait for the disk. */
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly store: ReadableLog;
  readonly keys: DataKeys;
  readonly log: Log;
  readonly versions: CodeVersions;
  /** Asked for only when a model in Redis is rebuilt. */
  readonly redis: () => Promise<RedisClient>;
};

/** `replaying` counts events of the log, `filling` and `comparing` keys, `switching` models. */
export type RebuildStep = 'replaying' | 'filling' | 'comparing' | 'switching';
export type RebuildProgress = {
  readonly step: RebuildStep;
  readonly done: number;
  readonly total: number;
  readonly estimated: boolean;
};
