import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import { startMediaWorkers, type MediaWorkers } from '../../../media/worker-pool.ts';
import { openEventStore } from '../../../infra/event-store/event-store.ts';
import { openAnsweringProxy } from '../../../testing/answering-proxy.ts';
import { aPhoto, openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { forgetProgress, startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { handle } from '../../handle.ts';
import { listDeadLetters, takeDeadLetter } from '../runner/dead-letters.ts';
import { makeMedia, type MakeMediaDeps } from './make-media.ts';
import { claimJobs, countJobs, JOB_ATTEMPTS, renewLease, requeueJob, returnJob, tryOf } from './media-jobs.ts';
import { tableQueue } from './media-queue.ts';
import { startMediaWork, type MediaWork } from './media-workers.ts';
import { processMedia } from './process-media.ts';

let world: ContentWorld;
let workers: MediaWorkers;
let ann: AccountId;
let reactor: TestReactor;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  world = await openContentWorld();
  workers = startMediaWorkers({ workers: 2 });
  ann = await world.account();
  reactor = await startReactor(world, [processMedia({ queue: tableQueue(world.pool) })]);
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await world.pool.query('delete from reactions.media_job');
});
afterAll(async () => {
  await reactor.stop();
  await workers.close();
  await world.close();
});

type Failing = { process: MediaWorkers['process'] };

function work(change: { workers?: Failing; leaseMs?: number } = {}): MediaWork {
  const stop = new AbortController();
  const running = startMediaWork(
    { ...world, queue: tableQueue(world.pool), workers: change.workers ?? workers },
    { concurrency: 2, pollMs: 5, retryMs: 1, ...(change.leaseMs === undefined ? {} : { leaseMs: change.leaseMs }) },
    stop.signal,
  );
  stops.push(async () => {
    stop.abort();
    await running.ended;
  });
  return running;
}

const settled = (mediaId: MediaId) =>
  eventually('the medium is settled', async () => (await world.mediaState(mediaId)).status !== 'uploaded');
const typesOf = (mediaId: MediaId) => world.types(streamOf.media(mediaId));

it('makes every size of a photo, with what a client needs to show it', async () => {
  work();
  const mediaId = await world.uploaded(ann);
  await settled(mediaId);
  const state = await world.mediaState(mediaId);
  if (state.status !== 'processed') throw new Error(state.status);
  expect(state).toMatchObject({ width: 64, height: 48, blurhash: expect.stringMatching(/^\S{6,}$/) });
  expect(state.variants.map(({ name }) => name).sort()).toEqual(['large', 'medium', 'original', 'small', 'thumbnail']);
  for (const { key, sha256, contentType, bytes } of state.variants) {
    expect(await world.objects.head(key)).toMatchObject({ checksumSha256: sha256, contentType, size: bytes });
  }
  await eventually('the queue is empty', async () => (await countJobs(world.pool)) === 0);
});

it('makes a post with a filter of media that have it, and leaves the picture itself as it is', async () => {
  work();
  const mediaId = await world.uploaded(ann);
  const postId = await world.post(ann, [mediaId], { filter: 'moon' });
  const post = await world.postState(postId);
  const [shown] = post.status === 'absent' ? [] : post.mediaIds;
  expect(shown).not.toBe(mediaId);
  await Promise.all([settled(mediaId), settled(shown!)]);
  expect([(await saturationOf(shown!)) < 2, (await saturationOf(mediaId)) > 20]).toEqual([true, true]);
});

async function saturationOf(mediaId: MediaId): Promise<number> {
  const state = await world.mediaState(mediaId);
  const key = state.status === 'processed' ? state.variants[0]?.key : undefined;
  const found = await world.objects.get(key ?? 'none');
  if (!found.ok) throw new Error(`${mediaId}: ${state.status}`);
  const [red, green, blue] = (await sharp(await buffer(found.body)).stats()).channels.map(({ mean }) => mean);
  return Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!);
}

it('rejects a file that cannot be decoded, with a reason, and goes on with the next', async () => {
  work();
  const photo = await aPhoto();
  const broken = await world.uploaded(ann, Buffer.concat([photo.subarray(0, 200)]));
  const whole = await world.uploaded(ann);
  await Promise.all([settled(broken), settled(whole)]);
  expect(await world.mediaState(broken)).toMatchObject({ status: 'rejected', reason: 'media_corrupt' });
  expect(await world.mediaState(whole)).toMatchObject({ status: 'processed' });
});

it('rejects a file whose bytes are lost', async () => {
  const mediaId = await world.uploaded(ann);
  const state = await world.mediaState(mediaId);
  if (state.status !== 'absent') await world.objects.delete(state.key);
  work();
  await settled(mediaId);
  expect(await world.mediaState(mediaId)).toMatchObject({ status: 'rejected', reason: 'media_lost' });
});

describe('a long queue', () => {
  const wait = (jobs: number) =>
    world.pool.query(
      `insert into reactions.media_job (media_id, event_id, correlation_id, run_at) select 'waiting-' || n, $1, 'test', now() + interval '1 day' from generate_series(1, $2) n`,
      [randomUUID(), jobs],
    );

  it.each([
    [100_001, { blurhash: expect.stringMatching(/^\S{6,}$/) }],
    [500_001, { blurhash: '' }],
  ])('of %i jobs makes two sizes, and no blurhash when it is far too long', async (jobs, expected) => {
    await wait(jobs);
    work();
    const mediaId = await world.uploaded(ann);
    await settled(mediaId);
    const state = await world.mediaState(mediaId);
    expect(state).toMatchObject({ status: 'processed', ...expected });
    expect(state.status === 'processed' && state.variants.map(({ name }) => name)).toEqual(['thumbnail', 'large']);
  });
});

describe('delivered twice', () => {
  it('queues one job and records one result', async () => {
    work();
    const mediaId = await world.uploaded(ann);
    await settled(mediaId);
    await reactor.stop();
    await forgetProgress(world);
    reactor = await startReactor(world, [processMedia({ queue: tableQueue(world.pool) })]);
    await reactor.caughtUp();
    await eventually('the queue is empty', async () => (await countJobs(world.pool)) === 0);
    expect(await typesOf(mediaId)).toEqual(['UploadRequested', 'UploadCompleted', 'MediaProcessed']);
  });

  it('gives the same result when two workers hold the same file', async () => {
    const mediaId = await world.uploaded(ann);
    const context = world.as('system');
    const both = await Promise.all([1, 2].map(() => makeMedia({ ...world, workers }, context, { mediaId })));
    expect(both).toContain('processed');
    expect(await typesOf(mediaId)).toEqual(['UploadRequested', 'UploadCompleted', 'MediaProcessed']);
  });

  it('does not store again what is there', async () => {
    const mediaId = await world.uploaded(ann);
    const puts: string[] = [];
    const objects = {
      ...world.objects,
      put: (...args: Parameters<typeof world.objects.put>) => {
        puts.push(args[0]);
        return world.objects.put(...args);
      },
    };
    const failing: MakeMediaDeps = {
      ...world,
      objects,
      workers,
      store: { ...world.store, append: () => Promise.reject(new Error('the log is away')) },
    };
    await expect(makeMedia(failing, world.as('system'), { mediaId })).rejects.toThrow('the log is away');
    const stored = puts.length;
    expect(await makeMedia({ ...failing, store: world.store }, world.as('system'), { mediaId })).toBe('processed');
    expect([stored, puts.length]).toEqual([5, 5]);
  });
});

describe('deletion wins over late processing', () => {
  const remove = (mediaId: MediaId) =>
    handle(world, world.as(ann), {
      decider: mediaDecider,
      streamId: streamOf.media(mediaId),
      command: { type: 'DeleteMedia' },
      owners: () => [ann],
    });

  it('when the file is deleted while it is decoded', async () => {
    const mediaId = await world.uploaded(ann);
    const late: Failing = {
      process: async (...args) => {
        const made = await workers.process(...args);
        await remove(mediaId);
        return made;
      },
    };
    expect(await makeMedia({ ...world, workers: late }, world.as('system'), { mediaId })).toBe('nothing');
    expect(await typesOf(mediaId)).toEqual(['UploadRequested', 'UploadCompleted', 'MediaDeleted']);
  });

  it('when it is deleted before', async () => {
    const mediaId = await world.uploaded(ann);
    await remove(mediaId);
    expect(await makeMedia({ ...world, workers }, world.as('system'), { mediaId })).toBe('nothing');
  });
});

describe('a job that fails', () => {
  const broken: Failing = { process: () => Promise.reject(new Error('the machine is out of order')) };

  it('is tried again and ends well when the cause goes away', async () => {
    let failures = 2;
    work({ workers: { process: (...args) => (failures-- > 0 ? broken.process(...args) : workers.process(...args)) } });
    const mediaId = await world.uploaded(ann);
    await settled(mediaId);
    expect(await world.mediaState(mediaId)).toMatchObject({ status: 'processed' });
  });

  it('is a dead letter after three tries, and can be queued again', async () => {
    let tries = 0;
    work({
      workers: {
        process: (...args) => {
          tries += 1;
          return broken.process(...args);
        },
      },
    });
    const mediaId = await world.uploaded(ann);
    await eventually('the job is a dead letter', async () =>
      (await listDeadLetters(world.pool, 10)).some(({ subject }) => subject === mediaId),
    );
    expect(tries).toBe(JOB_ATTEMPTS);
    for (const stop of stops.splice(0)) await stop();
    const [letter] = await listDeadLetters(world.pool, 10);
    expect(letter).toMatchObject({ subject: mediaId, attempts: 3, reason: 'the machine is out of order' });
    work();
    expect(await takeDeadLetter(world.pool, letter!.id, requeueJob)).toBe(true);
    await settled(mediaId);
    expect(await world.mediaState(mediaId)).toMatchObject({ status: 'processed' });
    expect(await takeDeadLetter(world.pool, letter!.id, requeueJob)).toBe(false);
  });

  it('is taken over when its process dies in the middle', async () => {
    const mediaId = await world.uploaded(ann);
    await eventually('the job is queued', async () => (await countJobs(world.pool)) > 0);
    // Claimed by a process that never says anything again.
    const [abandoned] = await claimJobs(world.pool, 1, 50);
    expect(abandoned?.mediaId).toBe(mediaId);
    work();
    await settled(mediaId);
    expect(await typesOf(mediaId)).toEqual(['UploadRequested', 'UploadCompleted', 'MediaProcessed']);
  });

  it('that kills every process is a dead letter in the end', async () => {
    const mediaId = await world.uploaded(ann);
    await eventually('the job is queued', async () => (await countJobs(world.pool)) > 0);
    const claims: number[] = [];
    await eventually('the job is a dead letter', async () => {
      claims.push(...(await claimJobs(world.pool, 1, 1)).map(({ attempts }) => attempts));
      return (await listDeadLetters(world.pool, 10)).some(({ subject }) => subject === mediaId);
    });
    expect(claims).toEqual([1, 2, 3]);
  });

  it('stays with its worker as long as that is alive, however long it takes', async () => {
    let running = 0;
    let most = 0;
    const slow: Failing = {
      process: async (...args) => {
        running += 1;
        most = Math.max(most, running);
        // Ten times the lease.
        const ends = performance.now() + 500;
        await eventually('the work is done', () => performance.now() > ends);
        running -= 1;
        return workers.process(...args);
      },
    };
    work({ workers: slow, leaseMs: 50 });
    work({ workers: slow, leaseMs: 50 });
    const mediaId = await world.uploaded(ann);
    await settled(mediaId);
    expect(most).toBe(1);
  });

  it('is given back untried when the process stops in good order', async () => {
    const stop = new AbortController();
    const closing: Failing = {
      process: () => {
        stop.abort();
        return Promise.reject(new Error('The media workers were closed'));
      },
    };
    const mediaId = await world.uploaded(ann);
    const running = startMediaWork(
      { ...world, queue: tableQueue(world.pool), workers: closing },
      { concurrency: 1, pollMs: 5 },
      stop.signal,
    );
    await running.ended;
    const [again] = await claimJobs(world.pool, 1, 1_000);
    expect(again?.mediaId).toBe(mediaId);
    expect(tryOf(again!)).toBe(1);
  });
});

describe('a job whose event store is away for longer than three tries take', () => {
  it('waits for it, and is done when it is back', async () => {
    const proxy = await openAnsweringProxy(world.node);
    const store = await openEventStore(proxy.url);
    proxy.say({ code: 2, details: 'Server Is Not Ready' });
    const stop = new AbortController();
    const running = startMediaWork(
      { ...world, store, queue: tableQueue(world.pool), workers },
      { concurrency: 2, pollMs: 5, retryMs: 1 },
      stop.signal,
    );
    const mediaId = await world.uploaded(ann);
    await eventually('it was tried more often than a failing job is', async () => {
      const { rows } = await world.pool.query<{ attempts: number }>(
        'select attempts from reactions.media_job where media_id = $1',
        [mediaId],
      );
      return (rows[0]?.attempts ?? 0) > 2 * JOB_ATTEMPTS;
    });
    proxy.say(undefined);
    await settled(mediaId);
    expect(await world.mediaState(mediaId)).toMatchObject({ status: 'processed' });
    expect((await listDeadLetters(world.pool, 10)).filter(({ subject }) => subject === mediaId)).toEqual([]);
    stop.abort();
    await running.ended;
    await store.close();
    await proxy.close();
  });

  it('has its try taken back even when another has the job by then, who keeps it', async () => {
    const mediaId = await world.uploaded(ann);
    await eventually('the job is queued', async () => (await countJobs(world.pool)) > 0);
    const [first] = await claimJobs(world.pool, 1, 1);
    let second: Awaited<ReturnType<typeof claimJobs>>[number] | undefined;
    await eventually('the lease runs out', async () => {
      [second] = await claimJobs(world.pool, 1, 60_000);
      return second !== undefined;
    });
    await returnJob(world.pool, first!);
    expect(await renewLease(world.pool, second!, 1)).toBe(true);
    let third: typeof second;
    await eventually('the lease runs out', async () => {
      [third] = await claimJobs(world.pool, 1, 60_000);
      return third !== undefined;
    });
    expect(third?.mediaId).toBe(mediaId);
    expect(tryOf(third!)).toBe(2);
  });
});

it('loses nothing when a worker process is killed in the middle', async () => {
  work();
  const media = await Promise.all(Array.from({ length: 6 }, () => world.uploaded(ann)));
  await eventually('workers run', () => workers.pids().length > 0);
  process.kill(workers.pids()[0]!, 'SIGKILL');
  await Promise.all(media.map(settled));
  expect(
    await Promise.all(
      media.map(async (mediaId) => {
        const { status, ...state } = await world.mediaState(mediaId);
        return 'reason' in state ? state.reason : status;
      }),
    ),
  ).toEqual(media.map(() => 'processed'));
});
