import {
  BACKWARDS,
  binaryEvent,
  END,
  EventStoreDBClient,
  FORWARDS,
  START,
  StreamNotFoundError,
} from '@eventstore/db-client';
import type { AllStreamResolvedEvent, ResolvedEvent } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEventStoreNode } from './server.ts';
import { collect, newStream, numbered, openTestNode, rejection } from './testing/test-node.ts';
import type { TestNode } from './testing/test-node.ts';

let test: TestNode;
const stream = newStream();
const other = newStream();
const LONG = 1_300;

beforeAll(async () => {
  test = await openTestNode();
  for (let written = 0; written < LONG; written += 100) {
    await test.client.appendToStream(stream, numbered(100));
    await test.client.appendToStream(other, numbered(1));
  }
});
afterAll(() => test.close());

const revisions = (events: ResolvedEvent[]): number[] => events.map(({ event }) => Number(event?.revision));
const positions = (events: AllStreamResolvedEvent[]): bigint[] =>
  events.map(({ event }) => event?.position.commit ?? -1n);
const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => (to >= from ? from + index : from - index));

describe('reading a stream', () => {
  it.each([
    ['forwards from the start', {}, range(0, LONG - 1)],
    ['forwards from a revision, which is included', { fromRevision: 700n }, range(700, LONG - 1)],
    ['forwards from the last revision', { fromRevision: BigInt(LONG - 1) }, [LONG - 1]],
    ['forwards from behind the end', { fromRevision: BigInt(LONG) }, []],
    ['forwards, a number of events', { fromRevision: 10n, maxCount: 600 }, range(10, 609)],
    ['forwards, more than there are', { fromRevision: BigInt(LONG - 2), maxCount: 10 }, [LONG - 2, LONG - 1]],
    ['backwards from the end', { direction: BACKWARDS, fromRevision: END }, range(LONG - 1, 0)],
    ['backwards from a revision, which is included', { direction: BACKWARDS, fromRevision: 700n }, range(700, 0)],
    ['backwards from the start', { direction: BACKWARDS, fromRevision: START }, [0]],
    [
      'backwards from behind the end',
      { direction: BACKWARDS, fromRevision: 10_000n, maxCount: 2 },
      [LONG - 1, LONG - 2],
    ],
    [
      'backwards, a number of events',
      { direction: BACKWARDS, fromRevision: END, maxCount: 600 },
      range(LONG - 1, LONG - 600),
    ],
  ] as const)('goes %s', async (_case, options, expected) => {
    expect(revisions(await collect(test.client.readStream(stream, options)))).toEqual(expected);
  });

  it('says that a stream does not exist', async () => {
    const missing = newStream();
    const error = await rejection(collect(test.client.readStream(missing)));
    expect(error).toBeInstanceOf(StreamNotFoundError);
  });
});

describe('reading $all', () => {
  it('gives every event once, in the order of its position, both ways alike', async () => {
    const forwards = await collect(test.client.readAll());
    expect(forwards).toHaveLength(LONG + LONG / 100);
    expect(positions(forwards)).toEqual(positions(forwards).toSorted((a, b) => Number(a - b)));
    expect(new Set(positions(forwards)).size).toBe(forwards.length);
    expect(forwards.every(({ event }) => event?.position.commit === event?.position.prepare)).toBe(true);
    expect(forwards.every(({ event, commitPosition }) => event?.position.commit === commitPosition)).toBe(true);
    const backwards = await collect(test.client.readAll({ direction: BACKWARDS, fromPosition: END }));
    expect(backwards).toEqual(forwards.toReversed());
  });

  it('includes the position where a forward read begins and excludes it backwards, as EventStoreDB does', async () => {
    const all = await collect(test.client.readAll());
    const fromPosition = all[800]?.event?.position ?? START;
    expect(positions(await collect(test.client.readAll({ fromPosition })))).toEqual(positions(all.slice(800)));
    const before = await collect(test.client.readAll({ fromPosition, direction: BACKWARDS }));
    expect(positions(before)).toEqual(positions(all.slice(0, 800).toReversed()));
  });

  it('compares positions by commit, then by prepare', async () => {
    const all = await collect(test.client.readAll({ maxCount: 3 }));
    const commit = all[1]?.event?.position.commit ?? 0n;
    const first = async (
      position: { commit: bigint; prepare: bigint },
      direction: typeof FORWARDS | typeof BACKWARDS,
    ): Promise<bigint | undefined> =>
      positions(await collect(test.client.readAll({ fromPosition: position, direction, maxCount: 1 })))[0];
    const [before, at] = positions(all);
    expect(await first({ commit, prepare: commit - 1n }, FORWARDS)).toBe(at);
    expect(await first({ commit, prepare: commit - 1n }, BACKWARDS)).toBe(before);
  });

  it('stops at the number of events asked for', async () => {
    const all = await collect(test.client.readAll());
    expect(positions(await collect(test.client.readAll({ maxCount: 700 })))).toEqual(positions(all.slice(0, 700)));
    const last = await collect(test.client.readAll({ maxCount: 2, direction: BACKWARDS, fromPosition: END }));
    expect(positions(last)).toEqual(positions(all.slice(-2).toReversed()));
  });

  it('gives nothing from the end on, nor before the start', async () => {
    expect(await collect(test.client.readAll({ fromPosition: END }))).toEqual([]);
    expect(await collect(test.client.readAll({ fromPosition: START, direction: BACKWARDS }))).toEqual([]);
    expect(await collect(test.client.readAll({ fromPosition: { commit: 1n << 60n, prepare: 1n << 60n } }))).toEqual([]);
  });
});

describe('links', () => {
  const links = newStream();
  const link = (text: string) => binaryEvent({ type: '$>', data: Buffer.from(text) });
  const resolved = async (text: string) => {
    const own = newStream();
    await test.client.appendToStream(own, link(text));
    const [event] = await collect(test.client.readStream(own, { resolveLinkTos: true }));
    return { own, event };
  };

  beforeAll(async () => {
    await test.client.appendToStream(links, [link(`2@${stream}`), link(`9999@${stream}`), ...numbered(1)]);
  });

  it.each(['garbage', '', '1.0@S', '0x1@S', '1e0@S', '@S', '9223372036854775808@S'])(
    'are none when they say "%s": that is an event like any other',
    async (text) => {
      const { own, event } = await resolved(text.replace('S', stream));
      expect(event?.link).toBeUndefined();
      expect(event?.event).toMatchObject({ streamId: own, type: '$>' });
    },
  );

  it.each(['5', '1@', '-2@S', '1@nothing-is-called-so'])('lead nowhere when they say "%s"', async (text) => {
    const { own, event } = await resolved(text.replace('S', stream));
    expect(event?.event).toBeUndefined();
    expect(event?.link).toMatchObject({ streamId: own, type: '$>' });
  });

  it.each([
    ['+1@S', 1n],
    [' 1 @S', 1n],
    ['01@S', 1n],
    ['-1@S', BigInt(LONG - 1)],
  ])('lead to an event when they say "%s"', async (text, revision) => {
    const { event } = await resolved(text.replace('S', stream));
    expect(event?.event).toMatchObject({ streamId: stream, revision });
  });

  it('are given as they are unless asked for', async () => {
    const [event] = await collect(test.client.readStream(links));
    expect(event).toMatchObject({ event: { type: '$>', streamId: links } });
    expect(event?.link).toBeUndefined();
  });

  it('are resolved in stream reads and in $all', async () => {
    const [target] = await collect(test.client.readStream(stream, { fromRevision: 2n, maxCount: 1 }));
    const [resolved, broken, plain] = await collect(test.client.readStream(links, { resolveLinkTos: true }));
    expect(resolved?.event).toEqual(target?.event);
    expect(resolved?.link).toMatchObject({ type: '$>', streamId: links, revision: 0n });
    expect(broken?.event).toBeUndefined();
    expect(broken?.link).toMatchObject({ revision: 1n });
    expect(plain?.link).toBeUndefined();
    const fromPosition = resolved?.link?.position ?? START;
    const [inAll] = await collect(test.client.readAll({ fromPosition, resolveLinkTos: true, maxCount: 1 }));
    expect(inAll).toEqual(resolved);
  });
});

describe('a restarted node', () => {
  it('has every event in its place and goes on, old and new events read as one', async () => {
    const own = await openTestNode();
    await own.client.appendToStream('stream', numbered(7));
    await own.client.appendToStream('other', numbered(2));
    const before = await collect(own.client.readAll());
    await own.client.dispose();
    await own.node.close();
    const node = await startEventStoreNode({ dataDir: own.dataDir });
    const client = EventStoreDBClient.connectionString(node.url);
    expect(await collect(client.readAll())).toEqual(before);
    const { position } = await client.appendToStream('stream', numbered(5), { expectedRevision: 6n });
    expect(position?.commit).toBeGreaterThan(before.at(-1)?.commitPosition ?? 0n);
    const read = async (options: object): Promise<number[]> =>
      revisions(await collect(client.readStream('stream', options)));
    expect(await read({})).toEqual(range(0, 11));
    expect(await read({ fromRevision: 5n, maxCount: 4 })).toEqual([5, 6, 7, 8]);
    expect(await read({ fromRevision: 8n })).toEqual([8, 9, 10, 11]);
    expect(await read({ direction: BACKWARDS, fromRevision: END })).toEqual(range(11, 0));
    expect(await read({ direction: BACKWARDS, fromRevision: 8n, maxCount: 4 })).toEqual([8, 7, 6, 5]);
    expect(await read({ direction: BACKWARDS, fromRevision: 3n })).toEqual([3, 2, 1, 0]);
    const all = await collect(client.readAll());
    expect(all.slice(0, before.length)).toEqual(before);
    expect(revisions(all.slice(before.length))).toEqual([7, 8, 9, 10, 11]);
    expect(await collect(client.readAll({ direction: BACKWARDS, fromPosition: END }))).toEqual(all.toReversed());
    await client.dispose();
    await node.close();
    await own.close();
  });

  it('still recognises a repeat of its last events', async () => {
    const own = await openTestNode();
    const events = numbered(3);
    const first = await own.client.appendToStream('stream', events);
    await own.client.dispose();
    await own.node.close();
    const node = await startEventStoreNode({ dataDir: own.dataDir });
    const client = EventStoreDBClient.connectionString(node.url);
    expect(await client.appendToStream('stream', events)).toEqual(first);
    await client.dispose();
    await node.close();
    await own.close();
  });
});
