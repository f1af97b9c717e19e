import { decodeToken, joinTokens } from '../infra/event-store/consistency-token.ts';
import type { Sql } from '../infra/postgres.ts';
import type { BuildResolver } from '../projections/builds/builds.ts';
import type { Freshness } from '../projections/builds/consistency.ts';
import type { ReadContext } from '../projections/projection.ts';

/** One request's view of the models, and the headers that its answer carries. */
export type Reading = { readonly read: ReadContext; readonly headers: Readonly<Record<string, string>> };

export type Reader = {
  /**
   * Resolves the builds of a request once, and waits (at most 2 s) until `models` have passed the tokens that came with
   * it. When they have not, the answer says `X-Consistency: behind`. Without a token nothing is waited for.
   */
  open(tokens: readonly string[], models: readonly string[]): Promise<Reading>;
};

/** A reader over one server; `freshness` must look at the same server as `sql`. */
export function createReader(deps: { sql: Sql; builds: BuildResolver; freshness: Freshness }): Reader {
  return {
    open: async (tokens, models) => {
      const builds = await deps.builds.resolve();
      const token = joinTokens(tokens.flatMap((text) => decodeToken(text) ?? []));
      const state = await deps.freshness.waitUntilPassed(builds, token, models);
      const headers = {
        'Cache-Control': 'private, no-store',
        ...(state === 'behind' && { 'X-Consistency': 'behind' }),
      };
      return { read: { sql: deps.sql, builds }, headers };
    },
  };
}
