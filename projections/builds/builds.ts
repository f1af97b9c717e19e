import { z } from 'zod';
import type { Sql } from '../../infra/postgres.ts';
import { quoted } from './build-store.ts';
import type { Builds } from '../projection.ts';

const Served = z.object({ id: z.int(), version: z.int(), location: z.string() });

/** What the one row holds: for each projection the builds that readers may use, the live one first. */
export const LiveRow = z.record(z.string(), z.array(Served));
export type LiveRow = z.infer<typeof LiveRow>;

/** A projection that was never built: nothing can be read from it yet. */
export class NoLiveBuildError extends Error {
  override readonly name = 'NoLiveBuildError';
  constructor(projection: string) {
    super(
      `no build of ${projection} is live: start the projector, or run "shutterlog projections rebuild ${projection}"`,
    );
  }
}

/** The version of each projection that this program's code reads, by name. */
export type CodeVersions = ReadonlyMap<string, number>;

/**
 * Reads which builds readers use at this moment. While a release is rolled out, the code of each version gets the build
 * of its own version as long as there is one.
 */
export async function resolveBuilds(sql: Sql, versions: CodeVersions): Promise<Builds> {
  const { rows } = await sql.query<{ builds: unknown }>('select builds from projections.live_builds');
  const served = LiveRow.parse(rows[0]?.builds ?? {});
  const of = (projection: string) => {
    const candidates = served[projection] ?? [];
    const build = candidates.find(({ version }) => version === versions.get(projection)) ?? candidates[0];
    if (build === undefined) throw new NoLiveBuildError(projection);
    return build;
  };
  return {
    schema: (projection) => quoted(of(projection).location),
    prefix: (projection) => of(projection).location,
    id: (projection) => of(projection).id,
  };
}

export type BuildResolver = { resolve(): Promise<Builds> };

/**
 * `resolveBuilds` for each request of a process, read at most once in `maxAgeMs`. After a flip readers go on with the
 * builds before it for at most that long; those stay fed, so nobody sees a gap.
 */
export function createBuildResolver(sql: Sql, versions: CodeVersions, maxAgeMs = 200): BuildResolver {
  let known: { builds: Promise<Builds>; at: number } | undefined;
  return {
    resolve: () => {
      const now = performance.now();
      if (known !== undefined && now - known.at < maxAgeMs) return known.builds;
      const builds = resolveBuilds(sql, versions);
      const fresh = { builds, at: now };
      known = fresh;
      builds.catch(() => {
        if (known === fresh) known = undefined;
      });
      return builds;
    },
  };
}
