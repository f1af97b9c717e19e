import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { openChildRegistry, sendSignal } from '../../infra/local/processes/child-registry.ts';
import { createChildren, type Children } from '../../infra/local/processes/children.ts';
import { textAt, type HttpAnswer } from '../../testing/http.ts';
import { kafkaForTests, testKafka } from '../../testing/kafka.ts';
import { bringUpKafka, type RunningKafka } from '../../testing/kafka-server.ts';
import { eventually } from '../../testing/projector-world.ts';
import { cacheDir } from '../../testing/tiers.ts';
import { startWorld, type Person, type World } from '../../testing/world.ts';

const given = kafkaForTests(process.env['TEST_KAFKA_BROKERS']);
const PREFIX = 'e2e.';
const shows = ({ body }: HttpAnswer, postId: string) => JSON.stringify(body).includes(postId);
const isBehind = ({ headers }: HttpAnswer) => headers.get('x-consistency') === 'behind';

describe.skipIf(given === undefined)('a whole stack over Kafka', () => {
  let children: Children;
  let broker: RunningKafka;
  let world: World;
  let [ann, ben]: Person[] = [];
  // A broker of its own, to be killed.
  beforeAll(async () => {
    const dataDir = mkdtempSync(join(process.env['TEST_SCRATCH_DIR'] ?? tmpdir(), 'kafka-'));
    children = createChildren(dataDir, openChildRegistry(dataDir));
    broker = await bringUpKafka({ cacheDir: cacheDir(), dataDir, children });
    world = await startWorld({ env: { KAFKA_BROKERS: broker.brokers, KAFKA_PREFIX: PREFIX } });
    [ann, ben] = [await world.person(), await world.person()];
    await world.follow(ann, ben);
  });
  afterAll(async () => {
    await world.stop();
    await children.close();
  });
  const feedOf = (person: Person) => person.get('/v1/feed?order=latest');
  const arrives = (person: Person, postId: string) =>
    world.eventually(
      () => feedOf(person),
      (answer) => shows(answer, postId) && !isBehind(answer),
    );
  const verify = () =>
    promisify(execFile)(
      process.execPath,
      ['cli/main.ts', 'projections', 'verify', 'home-feed', 'celebrity-posts', 'story-tray'],
      { env: { PATH: process.env['PATH'], ...world.stack.environment } },
    );

  it('answers a read with a token at once, although most partitions are idle', async () => {
    let atOnce = 0;
    for (let i = 0; i < 8; i += 1) {
      const postId = await world.publish(ann!);
      const first = await feedOf(ben!);
      if (shows(first, postId) && !isBehind(first)) atOnce += 1;
      await arrives(ben!, postId);
    }
    expect(atOnce).toBeGreaterThan(0);
  });

  it('hands media jobs out through Kafka and publishes each post once, however often the reactor is killed', async () => {
    const posts: PostId[] = [];
    for (let kill = 0; kill < 2; kill += 1) {
      const media = await Promise.all(Array.from({ length: 6 }, () => world.upload(ann!)));
      for (const id of media)
        posts.push(PostId.parse(textAt(await ann!.post('/v1/posts', { media_ids: [id] }), 'post_id')));
      await world.stack.kill('reactor');
      await world.stack.start('reactor');
    }
    const store = await openEventStore(world.stack.environment['EVENTSTORE_URL'] ?? '');
    const typesOf = async (postId: PostId) => (await store.readStream(streamOf.post(postId))).map(({ type }) => type);
    await eventually(
      'every post is published',
      async () => (await Promise.all(posts.map(typesOf))).every((types) => types.length > 1),
      100_000,
    );
    for (const postId of posts) expect(await typesOf(postId)).toEqual(['PostCreated', 'PostPublished']);
    await store.close();
    const admin = testKafka(broker.brokers).kafka.admin();
    await admin.connect();
    const jobs = (await admin.fetchTopicOffsets(`${PREFIX}media-jobs`)).reduce(
      (sum, { high }) => sum + Number(high),
      0,
    );
    await admin.disconnect();
    expect(jobs).toBeGreaterThanOrEqual(posts.length);
  });

  it('writes and reads without Kafka, and catches up once the broker is back, with nothing lost and nothing twice', async () => {
    await arrives(ben!, await world.publish(ann!));
    sendSignal(-broker.child.pid, 'SIGKILL');
    await broker.child.ended;
    const carl = await world.person();
    await world.follow(ann!, carl);
    const postId = await world.publish(ann!);
    expect(shows(await ben!.get(`/v1/feed/user/${ann!.username}`), postId)).toBe(true);
    // Nobody has read his feed yet: it is computed.
    expect(await feedOf(carl)).toSatisfy((answer: HttpAnswer) => answer.status === 200 && shows(answer, postId));
    expect((await feedOf(ben!)).status).toBe(200);
    broker = await broker.startAgain();
    await arrives(ben!, postId);
    await arrives(carl, await world.publish(ann!));
    expect((await verify()).stdout).toContain('equal');
  });
});
