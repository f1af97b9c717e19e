import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import type { AllStreamSubscription, JSONEventData, ResolvedEvent, StreamSubscription } from '@eventstore/db-client';
import { startEventStoreNode } from '../server.ts';
import type { EventStoreNode } from '../server.ts';

/** A node of its own for one test file, and the one client that the file may use. */
export interface TestNode {
  readonly node: EventStoreNode;
  readonly client: EventStoreDBClient;
  readonly dataDir: string;
  close(): Promise<void>;
}

/** Starts an empty node in this process, on a free port and a directory that `close` removes. */
export async function openTestNode(options: { mostCommitsAtOnce?: number } = {}): Promise<TestNode> {
  const dataDir = await mkdtemp(join(tmpdir(), 'event-store-'));
  const node = await startEventStoreNode({ dataDir, ...options });
  const client = EventStoreDBClient.connectionString(node.url);
  const close = async (): Promise<void> => {
    await client.dispose();
    await node.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { node, client, dataDir, close };
}

/** A stream name that no other test uses. */
export function newStream(): string {
  return `test-${randomUUID()}`;
}

/** Events with distinct ids whose data is their number. */
export function numbered(count: number, type = 'test-happened'): JSONEventData[] {
  return Array.from({ length: count }, (_, number) => jsonEvent({ type, data: { number } }));
}

/** Everything that a read gives. */
export async function collect<E>(events: AsyncIterable<E>): Promise<E[]> {
  const collected: E[] = [];
  for await (const event of events) collected.push(event);
  return collected;
}

/** The error that a promise rejects with. Throws if it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => ({ rejected: false as const }),
    (error: unknown) => ({ rejected: true as const, error }),
  );
  if (!outcome.rejected) throw new Error('the promise did not reject');
  return outcome.error;
}

/** What a subscription has told so far, in order. */
export interface Followed {
  readonly events: ResolvedEvent[];
  /** `confirmation`, `caughtUp`, `fellBehind` and event numbers as they came. */
  readonly story: string[];
  /** The error with which the subscription ended, if it did. */
  error: unknown;
  stop(): Promise<void>;
}

/** Follows a subscription until `stop`. */
export function follow(subscription: AllStreamSubscription | StreamSubscription): Followed {
  const followed: Followed = {
    events: [],
    story: [],
    error: undefined,
    stop: () => subscription.unsubscribe(),
  };
  for (const name of ['confirmation', 'caughtUp', 'fellBehind'] as const)
    subscription.on(name, () => followed.story.push(name));
  subscription.on('data', (event: ResolvedEvent) => {
    followed.events.push(event);
    followed.story.push('event');
  });
  subscription.on('error', (error: unknown) => {
    followed.error = error;
  });
  return followed;
}

/** Resolves once the condition holds; throws with its name if that takes longer than ten seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
