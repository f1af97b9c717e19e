import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { streamOf } from '../../../domain/streams.ts';
import { openKafka } from '../../../infra/kafka/kafka.ts';
import { freePort } from '../../../infra/local/processes/ports.ts';
import { startMediaWorkers, type MediaWorkers } from '../../../media/worker-pool.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { kafkaForTests, readTopic, SHORTEST_SESSION_MS, type TestKafka } from '../../../testing/kafka.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { announceDeadLetters } from './announce-dead-letters.ts';
import { listDeadLetters, takeDeadLetter } from '../runner/dead-letters.ts';
import { requeueJob } from './media-jobs.ts';
import { kafkaQueue, type KafkaMediaQueue } from './media-queue-kafka.ts';
import { countUntaken } from './media-topic.ts';
import { startMediaWork } from './media-workers.ts';
import { processMedia } from './process-media.ts';

const given = kafkaForTests(process.env['TEST_KAFKA_BROKERS']);
type Processing = Pick<MediaWorkers, 'process'>;

describe.skipIf(given === undefined)('media jobs in Kafka', () => {
  const kafka = given as TestKafka;
  let world: ContentWorld;
  let workers: MediaWorkers;
  let ann: AccountId;
  let reactor: TestReactor;
  let leader: KafkaMediaQueue;
  const stops: (() => Promise<void>)[] = [];
  const openQueue = (other = kafka.kafka) =>
    kafkaQueue({
      kafka: other,
      prefix: kafka.prefix,
      pool: world.pool,
      log: world.log,
      sessionMs: SHORTEST_SESSION_MS,
    });
  beforeAll(async () => {
    world = await openContentWorld();
    workers = startMediaWorkers({ workers: 2 });
    ann = await world.account();
    leader = openQueue();
    reactor = await startReactor(world, [processMedia({ queue: leader })]);
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });
  afterAll(async () => {
    await reactor.stop();
    await leader.close();
    await workers.close();
    await world.close();
  });

  /** The workers of one process over a queue. */
  const work = (queue: KafkaMediaQueue, processing: Processing = workers) => {
    const stop = new AbortController();
    const running = startMediaWork(
      { ...world, queue, workers: processing },
      { concurrency: 2, pollMs: 20, retryMs: 1, leaseMs: 2_000 },
      stop.signal,
    );
    stops.push(async () => {
      stop.abort();
      await running.ended;
    });
  };
  /** Another process: a queue of its own with its workers. */
  const another = (processing?: Processing) => {
    const queue = openQueue();
    stops.push(() => queue.close());
    work(queue, processing);
    return queue;
  };
  const ready = (mediaId: MediaId) =>
    eventually('the medium is ready', async () => (await world.mediaState(mediaId)).status === 'processed');
  const ONCE = ['UploadRequested', 'UploadCompleted', 'MediaProcessed'];
  const counting = () => {
    let made = 0;
    const processing: Processing = {
      process: (...args) => {
        made += 1;
        return workers.process(...args);
      },
    };
    return { processing, made: () => made };
  };

  it('are keyed by medium, divided among processes, and each is done once', async () => {
    const [here, there] = [counting(), counting()];
    work(leader, here.processing);
    another(there.processing);
    const media = await Promise.all(Array.from({ length: 4 }, () => world.uploaded(ann)));
    await eventually('both have a share', async () => {
      media.push(...(await Promise.all([world.uploaded(ann), world.uploaded(ann)])));
      await Promise.all(media.map(ready));
      return here.made() > 0 && there.made() > 0;
    });
    for (const mediaId of media) expect(await world.types(streamOf.media(mediaId))).toEqual(ONCE);
    await eventually('nothing waits', async () => (await countUntaken(kafka.kafka, kafka.prefix)) === 0);
    const messages = await readTopic(kafka, `${kafka.prefix}media-jobs`);
    expect(messages.map(({ key }) => key).sort()).toEqual([...media].sort());
  });

  it('become dead letters after three tries, which the dead-letter topic is told of, and can be retried', async () => {
    let tries = 0;
    work(leader, {
      process: () => {
        tries += 1;
        return Promise.reject(new Error('the machine is out of order'));
      },
    });
    const mediaId = await world.uploaded(ann);
    await eventually('the job is a dead letter', async () =>
      (await listDeadLetters(world.pool, 10)).some(({ subject }) => subject === mediaId),
    );
    expect(tries).toBe(3);
    for (const stop of stops.splice(0)) await stop();
    const { sweep } = announceDeadLetters(world.pool, leader);
    const signal = new AbortController().signal;
    expect([await sweep(new Date(), signal), await sweep(new Date(), signal)]).toEqual([1, 0]);
    const [told] = await readTopic(kafka, `${kafka.prefix}media-jobs-dlq`);
    expect([told?.key, JSON.parse(told?.value ?? '')]).toEqual([
      mediaId,
      expect.objectContaining({ mediaId, attempts: 3, reason: 'the machine is out of order' }),
    ]);
    work(leader);
    const [letter] = await listDeadLetters(world.pool, 10);
    expect(await takeDeadLetter(world.pool, letter!.id, requeueJob)).toBe(true);
    await ready(mediaId);
    expect(await world.types(streamOf.media(mediaId))).toEqual(ONCE);
  });

  it('pass to another process when the one that took them is gone', async () => {
    const mediaId = await world.uploaded(ann);
    // Taken by a process that never says anything again.
    await eventually('the job is taken', async () => (await leader.take(1, 50)).length === 1);
    work(leader);
    await ready(mediaId);
    expect(await world.types(streamOf.media(mediaId))).toEqual(ONCE);
  });

  it('count as waiting wherever they lie', async () => {
    const media = await Promise.all(Array.from({ length: 5 }, () => world.uploaded(ann)));
    await eventually('they lie in Kafka', async () => (await leader.waiting()) >= media.length);
    work(leader);
    await Promise.all(media.map(ready));
    await eventually('none waits', async () => (await leader.waiting()) === 0);
  });

  it('wait in PostgreSQL while Kafka is away', async () => {
    const away = openQueue(openKafka({ brokers: [`127.0.0.1:${String(await freePort())}`], prefix: '' }, world.log));
    stops.push(() => away.close());
    work(away);
    await reactor.stop();
    reactor = await startReactor(world, [processMedia({ queue: away })]);
    const mediaId = await world.uploaded(ann);
    await ready(mediaId);
    expect(away.trouble).toEqual(expect.any(String));
  });
});
