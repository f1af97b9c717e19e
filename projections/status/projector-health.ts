import type { RequestHandler } from 'express';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { HealthCheck } from '../../infra/http/health.ts';
import type { Pool } from '../../infra/postgres.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import { listBuilds } from '../builds/build-store.ts';
import { codeVersions } from '../catalog.ts';
import type { Lanes } from '../lanes/lanes.ts';
import type { StatusWatch } from './metrics.ts';
import { presentStatus } from './status-json.ts';
import type { Supervisor } from '../runner/supervisor.ts';

export type ProjectorParts = {
  readonly pool: Pool;
  readonly store: EventStore;
  readonly redis: RedisClient;
  readonly supervisor: Supervisor;
  readonly lanes: Lanes;
  readonly status: StatusWatch;
};

/** What `/health/ready` of the projector asks: its servers, and whether every projection goes on. */
export function projectorHealth({
  pool,
  store,
  redis,
  supervisor,
  lanes,
}: ProjectorParts): Record<string, HealthCheck> {
  return {
    postgres: () => pool.query('select 1'),
    eventstore: () => store.answers(),
    redis: () => redis.ping(),
    projections: async () => {
      // As the builds say, whichever projector stopped: of one in Redis as of one in PostgreSQL.
      const live = (await listBuilds(pool)).filter(({ state }) => state === 'live');
      const stopped = live
        .filter((build) => build.stopped !== undefined || build.version !== codeVersions.get(build.projection))
        .map(({ projection }) => projection);
      const halted = [
        ...stopped,
        ...supervisor.refused.keys(),
        ...(supervisor.trouble === undefined ? [] : ['supervisor']),
        ...(lanes.trouble === undefined ? [] : ['lanes']),
      ];
      if (halted.length > 0) throw new Error(`not going on: ${halted.join(', ')}`);
    },
  };
}

/** GET /health/projections: how each projection stands, with the event that stopped it and what to do. */
export function projectionsHealth({ supervisor, status }: ProjectorParts): RequestHandler {
  return (_request, response) => {
    response.json({ projections: status.latest().map(presentStatus), refused: Object.fromEntries(supervisor.refused) });
  };
}
