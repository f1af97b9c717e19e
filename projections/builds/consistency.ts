import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { comparePositions, Position } from '../../domain/position.ts';
import type { ConsistencyToken } from '../../infra/event-store/consistency-token.ts';
import type { Pool, Sql } from '../../infra/postgres.ts';
import { LANES, lanesOf } from '../lane-keys.ts';
import type { Builds } from '../projection.ts';

/**
 * What became of waiting: the models have passed the place, or not in time; or one of them follows another log, where
 * the place means nothing. That is no reason to hold up a reader, and none to believe that anything has been passed.
 */
export type Passage = 'passed' | 'behind' | 'other_log';

export type Freshness = {
  /**
   * Waits until each of `models`, in the builds that the request uses, has passed the token's position; partitioned
   * ones only on the lanes of the token's owners. `behind` after `limitMs`: answer anyway and say so. Without a token
   * nothing is waited for, nor for models of another log than the token's.
   */
  waitUntilPassed(
    builds: Builds,
    token: ConsistencyToken | undefined,
    models: readonly string[],
    limitMs?: number,
  ): Promise<Passage>;
  /**
   * Up to where all of `models` have passed the log `storeId` by now, on every lane; undefined while one of them
   * follows another log.
   */
  reached(builds: Builds, storeId: string, models: readonly string[]): Promise<Position | undefined>;
  /**
   * The same without asking, as far as it was heard when the models were last asked for somebody who waited; undefined
   * too when that was for others.
   */
  heard(builds: Builds, storeId: string, models: readonly string[]): Position | undefined;
  /**
   * Forgets what was heard: a server that crashed may have taken back the last commits, and models be where they were
   * before.
   */
  forget(): void;
};

const POLL_MS = 4;
const DEFAULT_LIMIT_MS = 2_000;

type Place = { readonly storeId: string; readonly position: Position };
type Waiter = { readonly needs: readonly string[]; readonly token: ConsistencyToken; resolve(outcome: Passage): void };

/**
 * Freshness on one server, primary or replica: give it the connection pool that answers the reads. However many
 * requests wait, one query at a time asks for all of them. `laned` names the models that are partitioned over lanes.
 */
export function createFreshness(sql: Sql, laned: ReadonlySet<string>): Freshness {
  const waiters = new Set<Waiter>();
  let places: ReadonlyMap<string, Place> = new Map();
  let polling = false;
  /** So often was forgotten what had been heard: an answer to a question from before is worth nothing. */
  let forgotten = 0;

  const forget = () => {
    places = new Map();
    forgotten += 1;
  };
  const poll = async () => {
    while (waiters.size > 0) {
      const asked = forgotten;
      const found = await readPlaces(
        sql,
        [...waiters].flatMap(({ needs }) => needs),
      );
      if (asked !== forgotten) continue;
      places = found;
      for (const waiter of waiters) {
        const outcome = passageIn(places, waiter);
        if (outcome !== 'behind') settle(waiter, outcome);
      }
      if (waiters.size > 0) await delay(POLL_MS);
    }
  };
  const settle = (waiter: Waiter, outcome: Passage) => {
    if (waiters.delete(waiter)) waiter.resolve(outcome);
  };
  const startPolling = () => {
    if (polling) return;
    polling = true;
    // A database that is away makes every read behind; the read itself reports the outage.
    poll()
      .catch(() => {
        forget();
        for (const waiter of waiters) settle(waiter, 'behind');
      })
      .finally(() => {
        polling = false;
        // One that came after the last look still waits.
        if (waiters.size > 0) startPolling();
      });
  };

  const needsOfAll = (builds: Builds, models: readonly string[], owners: ConsistencyToken['owners']) =>
    models.flatMap((model) => needsOf(builds, model, owners, laned));

  return {
    waitUntilPassed: (builds, token, models, limitMs = DEFAULT_LIMIT_MS) => {
      if (token === undefined) return Promise.resolve('passed');
      const needs = needsOfAll(builds, models, token.owners);
      // Models may be built from this log meanwhile: only what has been passed stays so.
      if (passageIn(places, { needs, token }) === 'passed') return Promise.resolve('passed');
      return new Promise((resolve) => {
        const limit = setTimeout(() => {
          settle(waiter, 'behind');
        }, limitMs);
        const waiter: Waiter = {
          needs,
          token,
          resolve: (outcome) => {
            clearTimeout(limit);
            resolve(outcome);
          },
        };
        waiters.add(waiter);
        startPolling();
      });
    },
    reached: async (builds, storeId, models) => {
      const needs = needsOfAll(builds, models, 'all');
      return earliestOf(await readPlaces(sql, needs), storeId, needs);
    },
    heard: (builds, storeId, models) => earliestOf(places, storeId, needsOfAll(builds, models, 'all')),
    forget,
  };
}

/**
 * Freshness over a pool. It forgets what was heard whenever a connection is lost or made: a server that crashes ends
 * all of them, and comes back without the commits that it had not kept. A pooler hides that: who goes through one calls
 * `forget` when a connection to the server itself is lost.
 */
export function createPoolFreshness(pool: Pool, laned: ReadonlySet<string>): Freshness {
  const freshness = createFreshness(pool, laned);
  for (const event of ['error', 'remove', 'connect'] as const)
    pool.on(event, () => {
      freshness.forget();
    });
  return freshness;
}

/** The earliest of some places; undefined unless all are known, and of that log. */
function earliestOf(
  places: ReadonlyMap<string, Place>,
  storeId: string,
  needs: readonly string[],
): Position | undefined {
  const positions = needs.flatMap((need) => {
    const place = places.get(need);
    return place?.storeId === storeId ? [place.position] : [];
  });
  return positions.length < needs.length ? undefined : positions.toSorted(comparePositions)[0];
}

function needsOf(
  builds: Builds,
  model: string,
  owners: ConsistencyToken['owners'],
  laned: ReadonlySet<string>,
): string[] {
  const build = String(builds.id(model));
  if (!laned.has(model)) return [build];
  const lanes = owners === 'all' ? Array.from({ length: LANES }, (_, lane) => lane) : lanesOf(owners);
  return lanes.map((lane) => `${build}/${String(lane)}`);
}

// Models of the token's log are waited for, also beside some that are of another one.
function passageIn(places: ReadonlyMap<string, Place>, { needs, token }: Pick<Waiter, 'needs' | 'token'>): Passage {
  const found = needs.map((need) => places.get(need));
  const passed = found.every(
    (place) => place !== undefined && (place.storeId !== token.storeId || place.position >= token.position),
  );
  if (!passed) return 'behind';
  return found.every((place) => place?.storeId === token.storeId) ? 'passed' : 'other_log';
}

const PlaceRow = z.object({ need: z.string(), store_id: z.string(), position: Position });

async function readPlaces(sql: Sql, needs: readonly string[]): Promise<Map<string, Place>> {
  const ids = [...new Set(needs.map((need) => Number(need.split('/')[0])))];
  const { rows } = await sql.query<Record<string, unknown>>(
    `select build_id::text as need, store_id, position from projections.checkpoint where build_id = any($1::int[])
     union all select build_id || '/' || lane, store_id, position from projections.lane where build_id = any($1::int[])`,
    [ids],
  );
  return new Map(
    rows.map((raw) => {
      const row = PlaceRow.parse(raw);
      return [row.need, { storeId: row.store_id, position: row.position }];
    }),
  );
}
