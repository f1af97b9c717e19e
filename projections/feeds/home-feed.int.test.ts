import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { START_OF_LOG } from '../../domain/position.ts';
import { createFeedHistory, type FeedHistory, type Wish } from '../../testing/feed-history.ts';
import { openFeedStores, type FeedStores } from '../../testing/feed-stores.ts';
import { definedAuthorIndexes, indexAuthors, type AuthorIndexes } from './author-indexes.ts';
import { obtainIndex } from './computed-index.ts';
import { definedFeeds, fanOut, type Feeds } from './fan-out.ts';
import { workOf } from './fan-out-work.ts';
import { FanOutGate } from './fan-out-gate.ts';
import type { FanOutLevel } from '../lane-projection.ts';
import { feedsByDefinition, POSTS, STORIES, type EntryKind } from './feed-definition.ts';
import { followCelebrities, followedCelebrities } from './followed-celebrities.ts';
import { differencesOf, type DefinedIndexes } from './index-check.ts';
import { keysOf, laneOf, LANES, lanesOf } from '../lane-keys.ts';
import type { KeyDifference, LaneContext, LaneGroup } from '../lane-projection.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const LEVELS: readonly FanOutLevel[] = ['all', 'active', 'none'];
const allLanes = Array.from({ length: LANES }, (_, lane) => lane);
const long = process.env['LONG_TESTS'] === '1';
const RUNS = long ? 400 : 12;

// Small limits, so that short histories fill feeds, cut them and make them incomplete.
const posts: EntryKind = { ...POSTS, feedEntries: 4, authorEntries: 3 };
const stories: EntryKind = { ...STORIES, feedEntries: 4, authorEntries: 3 };
const feeds: readonly Feeds[] = [
  { kind: posts, keys: 'feed' },
  { kind: stories, keys: 'story_tray' },
];
const authorIndexes: readonly AuthorIndexes[] = [
  { kind: posts, keys: 'celebrity_posts' },
  { kind: stories, keys: 'celebrity_stories' },
];
const defined: readonly DefinedIndexes[] = [
  ...feeds.map(definedFeeds),
  followedCelebrities,
  ...authorIndexes.map(definedAuthorIndexes),
];

let stores: FeedStores;

const groupOf = (lanes: readonly number[], epoch = 1): LaneGroup => ({
  writers: lanes.map((lane) => ({ lane, epoch })),
  owns: (id) => lanes.includes(laneOf(id)),
});

async function applyAll(context: LaneContext, lane: LaneGroup, events: FeedHistory['log']): Promise<void> {
  const work = workOf(lane, events);
  await followCelebrities(context, lane, work);
  for (const one of feeds) await fanOut(context, lane, one, work);
  for (const one of authorIndexes) await indexAuthors(context, lane, one, work);
}

async function takeOver(context: LaneContext, epoch: number): Promise<void> {
  await context.indexes.takeOver(Array.from({ length: LANES }, (_, lane) => ({ lane, epoch, mark: START_OF_LOG })));
}

/** Readers ask for the indexes of those alone who are or were celebrities. */
async function everCelebrity(id: string): Promise<boolean> {
  const { rows } = await stores.pool.query<{ was_celebrity: boolean }>(
    `select was_celebrity from ${stores.read.builds.schema('accounts')}.account where account_id = $1`,
    [id],
  );
  return rows[0]?.was_celebrity === true;
}

/** Reads every feed once, so that each key exists. */
async function readAll(context: LaneContext, history: FeedHistory): Promise<void> {
  for (const { keys, entries, define } of [...feeds.map(definedFeeds), followedCelebrities]) {
    const keyOf = keysOf(context.prefix, keys);
    for (const id of history.accounts) {
      const compute = async () => (await define(context, [id], NOW)).get(id) ?? [];
      await obtainIndex(context.indexes, { key: keyOf(id), limit: entries, compute }, 0);
    }
  }
}

async function differences(context: LaneContext): Promise<KeyDifference[]> {
  const found: KeyDifference[] = [];
  for (const one of defined) for await (const difference of differencesOf(context, one, {})) found.push(difference);
  return found;
}

/**
 * Runs a history in an interleaving that `turns` choose: what is logged, projected, handled by which lane, read, left
 * out because fan-out is behind, and when.
 */
async function interleave(
  base: LaneContext,
  history: FeedHistory,
  wishes: readonly Wish[],
  turns: readonly number[],
): Promise<void> {
  let context = base;
  let level: FanOutLevel = 'all';
  const gate = new FanOutGate({
    indexes: base.indexes,
    kinds: feeds.map(({ keys }) => keys),
    writers: () => groupOf(allLanes).writers,
    levelOf: () => level,
  });
  let projected = 0;
  let wished = 0;
  const places = new Array<number>(LANES).fill(0);
  const reading: {
    key: string;
    token: string;
    entries: Awaited<ReturnType<DefinedIndexes['define']>>;
    id: string;
    limit: number;
  }[] = [];

  const project = async (count: number) => {
    await stores.project(history.log.slice(projected, projected + count));
    projected = Math.min(history.log.length, projected + count);
  };
  const dueOf = (lane: number, count: number) =>
    history.log
      .slice(0, projected)
      .flatMap((event, i) =>
        i >= (places[lane] ?? 0) && lanesOf(event.meta.owners).includes(lane) ? [{ event, i, lane }] : [],
      )
      .slice(0, count);
  const handle = async (lanes: readonly number[], count: number, crashes: boolean) => {
    const due = lanes.flatMap((lane) => dueOf(lane, count));
    if (due.length === 0) return;
    context = { ...base, level: await gate.level() };
    await applyAll(
      context,
      groupOf([...new Set(due.map(({ lane }) => lane))]),
      due.map(({ event }) => event),
    );
    if (!crashes) for (const { lane, i } of due) places[lane] = i + 1;
  };
  const startReading = async (index: number, who: number) => {
    const one = defined[index % defined.length]!;
    const id = history.accounts[who % history.accounts.length]!;
    const key = keysOf(context.prefix, one.keys)(id);
    const token = `reader ${String(reading.length)}`;
    if (one.keys.startsWith('celebrity') && !(await everCelebrity(id))) return;
    if ((await context.indexes.lease(key, token, 60_000)) !== 'taken') return;
    reading.push({ key, token, id, limit: one.entries, entries: await one.define(context, [id], NOW) });
  };
  const finishReading = async () => {
    const one = reading.shift();
    if (one === undefined) return;
    const entries = one.entries.get(one.id) ?? [];
    await context.indexes.fill(one.key, one.token, { entries, cut: entries.length >= one.limit }, 60_000);
  };

  await project(history.log.length);
  await readAll(context, history);
  const wishNext = () => {
    const wish = wishes[wished++];
    if (wish !== undefined) history.wish(wish);
  };
  const someLanes = (detail: number) =>
    history.accounts
      .filter((_, i) => (detail >> i) & 1)
      .map(laneOf)
      .slice(0, 1 + (detail % 4));
  const actions: readonly ((detail: number) => unknown)[] = [
    wishNext,
    wishNext,
    wishNext,
    (detail) => project(1 + (detail % 5)),
    (detail) => handle(someLanes(detail), 1 + (detail % 3), false),
    (detail) => handle(someLanes(detail), 1 + (detail % 3), true),
    (detail) => startReading(detail, Math.floor(detail / 4)),
    finishReading,
    (detail) => {
      level = LEVELS[detail % LEVELS.length] ?? 'all';
    },
    () => gate.reopen(),
  ];
  for (const turn of turns) await actions[turn % actions.length]?.(Math.floor(turn / actions.length));
  level = 'all';
  await gate.reopen();
  for (const wish of wishes.slice(wished)) history.wish(wish);
  await project(history.log.length);
  for (let lane = 0; lane < LANES; lane += 1) await handle([lane], history.log.length, false);
  while (reading.length > 0) await finishReading();
}

describe('feeds, trays and celebrity indexes', () => {
  beforeAll(async () => {
    stores = await openFeedStores();
  });
  afterAll(() => stores.close());

  const wish = fc.record({ does: fc.nat(19), who: fc.nat(5), whom: fc.nat(5), which: fc.nat(47) });
  const turns = fc.array(fc.nat(10 * 64), { minLength: 0, maxLength: 120 });

  it(
    'equal the definition at a quiet moment after any history in any interleaving of lanes, models and readers',
    async () => {
      let keys = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(wish, { minLength: 10, maxLength: 60 }), turns, async (wishes, order) => {
          await stores.clear();
          const history = createFeedHistory(NOW, 5);
          const context = stores.context('t', () => NOW);
          await takeOver(context, 1);
          await interleave(context, history, wishes, order);
          expect(await differences(context)).toEqual([]);
          for await (const found of context.indexes.scan('t:')) keys += found.length;
          await expectDefinition(history);
        }),
        { numRuns: RUNS },
      );
      expect(keys).toBeGreaterThan(RUNS);
    },
    long ? 1_800_000 : 60_000,
  );

  it('lose all that an erased account had in them, where they exist', async () => {
    await stores.clear();
    const history = createFeedHistory(NOW, 5);
    const context = stores.context('t', () => NOW);
    await takeOver(context, 1);
    await stores.project(history.log);
    await readAll(context, history);
    const wishes = [
      [0, 1, 0],
      [0, 2, 0],
      [0, 3, 1],
      [18, 1, 0],
      [8, 0, 0],
      [8, 1, 0],
      [14, 0, 0],
    ].map(([does, who, whom]) => ({ does: does!, who: who!, whom: whom!, which: 1 }));
    const tell = async (told: readonly Wish[]) => {
      const before = history.log.length;
      for (const one of told) history.wish(one);
      const events = history.log.slice(before);
      await stores.project(events);
      await applyAll(context, groupOf(allLanes), events);
      return events;
    };
    await tell(wishes);
    const [author, follower] = history.accounts;
    const feedOf = async (id: string) =>
      context.indexes.newest([keysOf(context.prefix, 'feed')(id)], { limit: 10, renewMs: 60_000 });
    expect(JSON.stringify(await feedOf(follower!))).toContain('post_');
    const [told] = await tell([{ does: 19, who: 0, whom: 1, which: 1 }]);
    expect(told).toMatchObject({ type: 'AccountErased', data: { accountId: author } });
    expect(await differences(context)).toEqual([]);
    // A celebrity leaves the sets of those who followed it as well.
    const [alsoTold] = await tell([{ does: 19, who: 0, whom: 1, which: 1 }]);
    expect(alsoTold).toMatchObject({ type: 'AccountErased', data: { accountId: follower } });
    expect(await differences(context)).toEqual([]);
  });

  async function expectDefinition(history: FeedHistory): Promise<void> {
    for (const { kind } of feeds) {
      const byDefinition = await feedsByDefinition(stores.read, kind, history.accounts, NOW);
      for (const viewer of history.accounts) {
        const plain = history.feedOf(kind.name, viewer, { entries: kind.feedEntries, windowMs: kind.windowMs });
        expect(
          byDefinition.get(viewer)?.map(({ id }) => id),
          `${kind.name} feed of ${viewer}`,
        ).toEqual(plain);
      }
    }
  }
});
