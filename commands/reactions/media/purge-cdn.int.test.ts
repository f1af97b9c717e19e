import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MediaId, type AccountId } from '../../../domain/ids.ts';
import { START_OF_LOG, type Position } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import { webhookCdn } from '../../../infra/object-store/cdn.ts';
import { accounts } from '../../../projections/models/accounts.ts';
import { createBuildResolver, NoLiveBuildError } from '../../../projections/builds/builds.ts';
import { codeVersions } from '../../../projections/catalog.ts';
import { createFreshness, type Passage } from '../../../projections/builds/consistency.ts';
import { media } from '../../../projections/models/media.ts';
import { MEDIA_FILE_MODELS, mediaFiles } from '../../../projections/queries/media-files.ts';
import { posts } from '../../../projections/models/posts.ts';
import { Runner } from '../../../projections/runner/runner.ts';
import { stories } from '../../../projections/models/stories.ts';
import { Supervisor } from '../../../projections/runner/supervisor.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { startPurgeServer } from '../../../testing/purge-server.ts';
import { startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { deleteMedia } from './delete-media.ts';
import { sweepOwedPurges } from './purge-cdn.ts';

/*
 * A cache in front of the files that somebody asks for a photo right after each purge: it is filled again whenever the read
 * models still give the photo out. The models are fed only while `feed` is open, so that they stand still when a test says so.
 */
let world: ContentWorld;
let ann: AccountId;
let photo: MediaId;
let feed: Feed | undefined;
let reactor: TestReactor | undefined;
let cached: Set<MediaId>;
let purges: number;
const never = new AbortController().signal;

type Feed = { readonly close: () => Promise<void> };

beforeAll(async () => {
  world = await openContentWorld();
});
afterAll(() => world.close());

beforeEach(async () => {
  [cached, purges] = [new Set(), 0];
  ann = await world.account();
  photo = await publicPhoto();
  feed = await openFeed();
  await eventually('the models know the photo', isGivenOut);
  cached.add(photo);
  return async () => {
    await reactor?.stop();
    await feed?.close();
    reactor = undefined;
  };
});

async function openFeed(): Promise<Feed> {
  const { pool, databaseUrl, keys, store, log } = world;
  const runner = new Runner({
    pool,
    keys,
    store,
    log,
    limits: { events: 500, bytes: 1e7 },
    attempts: 1,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
  });
  const supervisor = new Supervisor({
    pool,
    databaseUrl,
    store,
    log,
    projections: [accounts, media, posts, stories],
    runner,
  });
  await supervisor.start();
  return { close: () => supervisor.close() };
}

async function closeFeed(): Promise<void> {
  await feed?.close();
  feed = undefined;
}

const keyOf = (mediaId: MediaId) => `media/${mediaId}/small.webp`;
const builds = () => createBuildResolver(world.pool, codeVersions, 0).resolve();

async function publicPhoto(): Promise<MediaId> {
  const mediaId = await world.ready(ann);
  const variant = {
    name: 'small',
    key: keyOf(mediaId),
    contentType: 'image/webp',
    width: 4,
    height: 3,
    bytes: 5,
    sha256: 'a'.repeat(64),
  } as const;
  await world.record(streamOf.media(mediaId), {
    type: 'MediaFormatMade',
    data: { mediaId, ownerId: ann, variants: [variant] },
  });
  return mediaId;
}

async function isGivenOut(): Promise<boolean> {
  const [file] = await mediaFiles({ sql: world.pool, builds: await builds() }, keyOf(photo));
  return file?.is_private === false;
}

/**
 * A network of caches over the models; `onPurge` happens after a purge and before somebody asks for the photo again.
 */
function edge(onPurge: () => Promise<void> = async () => undefined) {
  return {
    purge: async (paths: readonly string[]) => {
      for (const path of paths) cached.delete(MediaId.parse(path.split('/')[3]));
      if (!paths.includes(`/media/media/${photo}/`)) return;
      purges += 1;
      if (await isGivenOut()) cached.add(photo);
      await onPurge();
    },
  };
}

const passed = (limitMs: number) => async (position: Position) =>
  createFreshness(world.pool, new Set()).waitUntilPassed(
    await builds(),
    { storeId: world.store.storeId, position, owners: 'all' },
    MEDIA_FILE_MODELS,
    limitMs,
  );

const reached = async () =>
  createFreshness(world.pool, new Set()).reached(await builds(), world.store.storeId, MEDIA_FILE_MODELS);
const modelsAtTheHead = () =>
  eventually(
    'the models have passed all events',
    async () => ((await reached()) ?? START_OF_LOG) >= (await world.store.head()),
  );
const owed = async () =>
  (
    await world.pool.query<{ media_id: string }>('select media_id from reactions.owed_purge order by position')
  ).rows.map(({ media_id }) => media_id);

const goPrivate = () => world.record(streamOf.account(ann), { type: 'AccountMadePrivate', data: { accountId: ann } });
const goAway = (mediaId = photo) =>
  world.record(streamOf.media(mediaId), { type: 'MediaDeleted', data: { mediaId, ownerId: ann } });

it('is asked for again until the network has taken both purges', async () => {
  const network = await startPurgeServer();
  network.answers.push(503, 204, 500);
  await goAway();
  reactor = await startReactor(world, [
    deleteMedia({ ...world, cdn: webhookCdn(network.url), passed: passed(30_000) }),
  ]);
  await reactor.caughtUp();
  const ours = network.purges.filter(
    ({ body }) => JSON.stringify(body) === JSON.stringify({ prefixes: [`/media/media/${photo}/`] }),
  );
  expect(ours).toHaveLength(5);
  await network.close();
});

describe.each([
  ['made private', goPrivate],
  ['deleted', () => goAway()],
])('a cache that is asked for media that were just %s', (_, happen) => {
  it('ends without them, though the models gave them out after the first purge', async () => {
    await closeFeed();
    const refilled: boolean[] = [];
    const cdn = edge(async () => {
      refilled.push(cached.has(photo));
      feed ??= await openFeed();
    });
    await happen();
    reactor = await startReactor(world, [deleteMedia({ ...world, cdn, passed: passed(30_000) })]);
    await reactor.caughtUp();
    expect(refilled).toEqual([true, false]);
    expect(cached.has(photo)).toBe(false);
  });

  it('is purged again by the sweep where no model moves in time, once they have moved', async () => {
    await closeFeed();
    const deps = { ...world, cdn: edge(), passed: passed(20), reached };
    await happen();
    reactor = await startReactor(world, [deleteMedia(deps)]);
    await reactor.caughtUp();
    expect([purges, cached.has(photo)]).toEqual([1, true]);
    const sweep = sweepOwedPurges(deps);
    expect([await sweep.sweep(new Date(), never), purges]).toEqual([0, 1]);
    feed = await openFeed();
    await modelsAtTheHead();
    expect([await sweep.sweep(new Date(), never), purges, cached.has(photo)]).toEqual([1, 2, false]);
    expect([await sweep.sweep(new Date(), never), purges]).toEqual([0, 2]);
  });
});

describe('purges that are owed', () => {
  /** The reaction passes the deletion of these media, one after the other, while the models stand still. */
  async function deleteUnseen(
    media: readonly MediaId[],
    ask: (position: Position) => Promise<Passage> = passed(20),
  ): Promise<void> {
    await closeFeed();
    for (const mediaId of media) await goAway(mediaId);
    reactor = await startReactor(world, [deleteMedia({ ...world, cdn: edge(), passed: ask })]);
    await reactor.caughtUp();
    await reactor.stop();
    reactor = undefined;
  }
  const sweep = () => sweepOwedPurges({ ...world, cdn: edge(), reached }).sweep(new Date(), never);

  it('are made as far as the models have come, though newer ones are not due yet', async () => {
    const newer = await publicPhoto();
    await deleteUnseen([photo]);
    feed = await openFeed();
    await modelsAtTheHead();
    await deleteUnseen([newer]);
    expect(await owed()).toEqual([photo, newer]);
    expect([await sweep(), cached.has(photo), await owed()]).toEqual([1, false, [newer]]);
    feed = await openFeed();
    await modelsAtTheHead();
    expect([await sweep(), await owed()]).toEqual([1, []]);
  });

  it('hold up the events behind them for one wait, not one each', async () => {
    const media = [photo, await publicPhoto(), await publicPhoto()];
    const asked: Position[] = [];
    await deleteUnseen(media, async (position) => {
      asked.push(position);
      return passed(20)(position);
    });
    expect([asked.length, await owed()]).toEqual([1, media]);
    feed = await openFeed();
    await modelsAtTheHead();
    expect(await sweep()).toBe(3);
  });

  it('are noted where no model is there to be asked, and the reaction goes on', async () => {
    await deleteUnseen([photo], () => Promise.reject(new NoLiveBuildError('media')));
    expect(await owed()).toEqual([photo]);
    feed = await openFeed();
    await modelsAtTheHead();
    expect(await sweep()).toBe(1);
  });

  it.each([
    ['another log', '22222222-2222-4222-8222-222222222222'],
    ['a release that did not note the log', null],
  ])(
    'since %s are made when the models have come to the end of this one, wherever they were due',
    async (_, storeId) => {
      for (const position of ['0'.repeat(32), 'f'.repeat(32)]) {
        await closeFeed();
        await goPrivate();
        await world.pool.query('insert into reactions.owed_purge (media_id, store_id, position) values ($1, $2, $3)', [
          photo,
          storeId,
          position,
        ]);
        expect([await sweep(), await owed()]).toEqual([0, [photo]]);
        feed = await openFeed();
        await modelsAtTheHead();
        expect([await sweep(), await owed()]).toEqual([1, []]);
      }
    },
  );
});
