import { EventStoreDBClient, persistentSubscriptionToStreamSettingsFromDefaults } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, follow, newStream, numbered, openTestNode, rejection, until } from './testing/test-node.ts';
import type { TestNode } from './testing/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await openTestNode();
});
afterAll(() => test.close());

it.each([
  ['discovery', (port: number) => `esdb+discover://127.0.0.1:${port}?tls=false`],
  ['several hosts', (port: number) => `esdb://127.0.0.1:${port},localhost:${port}?tls=false`],
  ['a name', (port: number) => `esdb://localhost:${port}?tls=false`],
])('is reached by %s', async (_case, url) => {
  const client = EventStoreDBClient.connectionString(url(test.node.port));
  const stream = newStream();
  await test.client.appendToStream(stream, numbered(1));
  expect(await collect(client.readStream(stream, { requiresLeader: true }))).toHaveLength(1);
  await client.dispose();
});

it('says clearly what it cannot do', async () => {
  const { client } = test;
  const settings = persistentSubscriptionToStreamSettingsFromDefaults();
  const refused: [() => Promise<unknown>, RegExp][] = [
    [() => client.createProjection('name', 'fromAll()'), /no server-side projections/],
    [() => client.createPersistentSubscriptionToStream('stream', 'group', settings), /no persistent subscriptions/],
    [() => collect(client.subscribeToPersistentSubscriptionToStream('stream', 'group')), /no persistent subscriptions/],
  ];
  for (const [call, message] of refused) {
    expect(await rejection(call())).toMatchObject({ message: expect.stringMatching(message) as unknown });
  }
});

describe('a node that closes', () => {
  it('ends subscriptions with "unavailable", keeps what it acknowledged, and can be closed twice', async () => {
    const own = await openTestNode();
    const followed = follow(own.client.subscribeToAll());
    await until('the subscription is live', () => followed.story.includes('caughtUp'));
    await Promise.all([own.node.close(), own.node.close()]);
    await until('the subscription ends', () => followed.error !== undefined);
    expect(followed.error).toMatchObject({ type: 'unavailable' });
    await own.close();
  });
});
