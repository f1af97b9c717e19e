import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { START_OF_LOG } from '../../domain/position.ts';
import { createFeedHistory } from '../../testing/feed-history.ts';
import { openFeedStores, type FeedStores } from '../../testing/feed-stores.ts';
import { fillAbsent } from './computed-index.ts';
import { fanOut } from './fan-out.ts';
import { workOf } from './fan-out-work.ts';
import { feedsByDefinition, POSTS } from './feed-definition.ts';
import { homeFeeds } from './home-feed.ts';
import { keysOf, LANES } from '../lane-keys.ts';
import type { LaneContext } from '../lane-projection.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const FOLLOWERS = 25_000;
let stores: FeedStores;
beforeAll(async () => {
  stores = await openFeedStores();
});
afterAll(() => stores.close());

it('an author with a large audience is held to a rate, while the others of the round are served at once', async () => {
  const history = createFeedHistory(NOW, 3);
  const [star, , viewer] = history.accounts as readonly [AccountId, AccountId, AccountId];
  history.wish({ does: 0, who: 2, whom: 1, which: 0 });
  history.wish({ does: 8, who: 0, whom: 0, which: 0 });
  history.wish({ does: 8, who: 1, whom: 0, which: 1 });
  await stores.project(history.log);
  // The last follower comes on the last page.
  await stores.pool.query(
    `insert into ${stores.read.builds.schema('follows')}.follow (follower_id, followee_id, since) select 'acc_zz' || lpad(n::text, 9, '0'), $1, now() from generate_series(1, ${String(FOLLOWERS)}) as n`,
    [star],
  );
  const last = `acc_zz${String(FOLLOWERS).padStart(9, '0')}`;

  const keyOf = keysOf('large', homeFeeds.keys);
  const steps: string[] = [];
  let paced = 0;
  const base = stores.context('large', () => NOW);
  const postsIn = async (who: string) => {
    const [found] = await base.indexes.newest([keyOf(who)], { limit: 10, renewMs: 0 });
    return found?.state === 'complete' ? found.entries.length : -1;
  };
  const context: LaneContext = {
    ...base,
    pace: async (deliveries) => {
      paced += deliveries;
      if (steps.length === 0)
        steps.push(
          `the other's follower has ${String(await postsIn(viewer))}, the last has ${String(await postsIn(last))}`,
        );
    },
  };
  const writers = Array.from({ length: LANES }, (_, lane) => ({ lane, epoch: 1 }));
  await context.indexes.takeOver(writers.map((writer) => ({ ...writer, mark: START_OF_LOG })));
  await fillAbsent(
    context.indexes,
    [viewer, last].map((id) => ({ id, key: keyOf(id) })),
    { limit: 500, compute: async () => new Map() },
  );

  const lanes = { writers, owns: () => true };
  const { entries } = workOf(lanes, history.log);
  await fanOut(context, lanes, homeFeeds, { entries, pairs: [], authors: new Set(), gone: new Set() });
  expect(steps).toEqual(["the other's follower has 1, the last has 0"]);
  expect(paced).toBeGreaterThan(10_000);
  expect(paced).toBeLessThan(FOLLOWERS);
  expect([await postsIn(viewer), await postsIn(last)]).toEqual([1, 1]);
  expect((await feedsByDefinition(stores.read, POSTS, [viewer], NOW)).get(viewer)).toHaveLength(1);
});
