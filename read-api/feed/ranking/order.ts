import type { AccountId } from '../../../domain/ids.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import type { Ranked } from '../cache/sessions.ts';

/** Who asks for an order, when, and how many posts a page of it has. */
export type RankRequest = {
  readonly read: ReadContext;
  readonly viewer: AccountId;
  readonly now: Date;
  readonly page: number;
};

/**
 * An order to show posts in, of too few authors from `relaxedFrom` on; `degraded` when it is by time alone because
 * ranking failed or took too long.
 */
export type Order = {
  readonly ranked: readonly Ranked[];
  readonly relaxedFrom: number;
  readonly quality: 'normal' | 'degraded';
};
