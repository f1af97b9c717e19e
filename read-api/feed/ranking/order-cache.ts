import { LRUCache } from 'lru-cache';
import type { AccountId } from '../../../domain/ids.ts';
import type { Candidate } from '../candidates/home-candidates.ts';
import type { Order, RankRequest } from './order.ts';

/** Who asks for an order, for pages of which size, and when. */
type Asked = Pick<RankRequest, 'viewer' | 'page' | 'now'>;

/** What an order was made for, and of. */
type OrderMade = {
  readonly candidates: readonly Candidate[];
  readonly mix: boolean;
  readonly page: number;
  readonly at: number;
  readonly standsMs: number;
};

/**
 * An order of the same candidates is not made again for so long: signals may be as old, and freshness falls by less
 * than 0.3 %. Some are made again a quarter earlier, so that viewers who came together do not all wait at once.
 */
const STANDS_MS = 30_000;
/** Entries of all orders together; one takes about 50 bytes. */
const MOST_ENTRIES = 1_000_000;

/**
 * The last order of each viewer, for as long as making it again would change nothing but the seconds by which all grew
 * older.
 */
export class KeptOrders {
  readonly #last = new LRUCache<AccountId, OrderMade & { readonly order: Order }>({
    maxSize: MOST_ENTRIES,
    sizeCalculation: ({ candidates, order }) => candidates.length + order.ranked.length + 1,
    ttl: STANDS_MS,
    ttlAutopurge: true,
  });

  /**
   * The order that was made for the same request out of the same list; undefined when there is none, or it is too old.
   */
  find({ viewer, page, now }: Asked, candidates: readonly Candidate[], mix: boolean): Order | undefined {
    const last = this.#last.get(viewer);
    if (last?.candidates !== candidates || last.page !== page || last.mix !== mix) return undefined;
    const age = now.getTime() - last.at;
    return age >= 0 && age < last.standsMs ? last.order : undefined;
  }

  keep(
    { viewer, page, now }: Asked,
    candidates: readonly Candidate[],
    { mix, order }: { mix: boolean; order: Order },
  ): void {
    this.#last.set(viewer, {
      candidates,
      mix,
      page,
      at: now.getTime(),
      standsMs: STANDS_MS * (1 - Math.random() / 4),
      order,
    });
  }
}
