import { randomUUID } from 'node:crypto';
import {
  ANY,
  binaryEvent,
  DeadlineExceededError,
  jsonEvent,
  MaxAppendSizeExceededError,
  NO_STREAM,
  STREAM_EXISTS,
  UnknownError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import type { AppendExpectedRevision, AppendResult, EventData } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, newStream, numbered, openTestNode, rejection } from './testing/test-node.ts';
import type { TestNode } from './testing/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await openTestNode();
});
afterAll(() => test.close());

/** Credentials per call make the client use the plain Append call instead of BatchAppend. */
const PLAIN = { credentials: { username: 'somebody', password: 'secret' } };

describe.each([
  ['batch append', {}],
  ['append', PLAIN],
])('%s', (_name, how) => {
  const append = (
    stream: string,
    events: EventData | EventData[],
    expectedRevision: AppendExpectedRevision = ANY,
  ): Promise<AppendResult> => test.client.appendToStream(stream, events, { expectedRevision, ...how });

  it('numbers events from 0 and gives the position of the last one', async () => {
    const stream = newStream();
    const first = await append(stream, numbered(3), NO_STREAM);
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 2n });
    const events = await collect(test.client.readStream(stream));
    expect(events.map(({ event }) => event?.revision)).toEqual([0n, 1n, 2n]);
    expect(events.at(-1)?.event?.position).toEqual(first.position);
    expect(await append(stream, numbered(1), 2n)).toMatchObject({ nextExpectedRevision: 3n });
  });

  it('keeps type, data, metadata, id and time of JSON and binary events', async () => {
    const stream = newStream();
    const id = randomUUID();
    const before = Date.now();
    await append(stream, [
      jsonEvent({ id, type: 'Grüße', data: { text: 'CC ‐ 1830' }, metadata: { by: 'Ada' } }),
      binaryEvent({ type: 'bytes', data: Buffer.from([0, 255, 7]), metadata: new Uint8Array([1, 2]) }),
      jsonEvent({ type: 'bare', data: 'text' }),
    ]);
    const [json, binary, bare] = (await collect(test.client.readStream(stream))).map(({ event }) => event);
    expect(json).toMatchObject({
      streamId: stream,
      id,
      type: 'Grüße',
      isJson: true,
      data: { text: 'CC ‐ 1830' },
      metadata: { by: 'Ada' },
    });
    expect(json?.created.getTime()).toBeGreaterThanOrEqual(before);
    expect(json?.created.getTime()).toBeLessThanOrEqual(Date.now());
    expect(binary).toMatchObject({ type: 'bytes', isJson: false });
    expect(Buffer.from(binary?.data as Uint8Array)).toEqual(Buffer.from([0, 255, 7]));
    expect(Buffer.from(binary?.metadata as Uint8Array)).toEqual(Buffer.from([1, 2]));
    expect(bare).toMatchObject({ data: 'text', metadata: undefined });
  });

  it.each<[string, number, AppendExpectedRevision, bigint | 'no_stream']>([
    ['no stream, when there is one', 2, NO_STREAM, 1n],
    ['an existing stream, when there is none', 0, STREAM_EXISTS, 'no_stream'],
    ['a revision, when there is no stream', 0, 1n, 'no_stream'],
    ['a revision ahead of the end', 2, 5n, 1n],
    ['a revision behind the end', 3, 0n, 2n],
  ])('refuses events that expect %s', async (_case, existing, expectedRevision, actual) => {
    const stream = newStream();
    if (existing > 0) await append(stream, numbered(existing));
    const error = await rejection(append(stream, numbered(1), expectedRevision));
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    expect(error).toMatchObject({ streamName: stream, expectedVersion: expectedRevision, actualVersion: actual });
    if (existing > 0) expect(await collect(test.client.readStream(stream))).toHaveLength(existing);
  });

  it('takes any and existing streams as they are', async () => {
    const stream = newStream();
    expect(await append(stream, numbered(1), ANY)).toMatchObject({ nextExpectedRevision: 0n });
    expect(await append(stream, numbered(1), STREAM_EXISTS)).toMatchObject({ nextExpectedRevision: 1n });
  });

  it('takes a stream that only has metadata for existing', async () => {
    const stream = newStream();
    await test.client.setStreamMetadata(stream, { cacheControl: 10 });
    expect(await append(stream, numbered(1), STREAM_EXISTS)).toMatchObject({ nextExpectedRevision: 0n });
  });

  it.each<[string, AppendExpectedRevision]>([
    ['no stream', NO_STREAM],
    ['any', ANY],
    ['stream exists', STREAM_EXISTS],
    ['a revision', 1n],
  ])('answers a repeat at %s with the first answer and writes nothing', async (_case, expectedRevision) => {
    const stream = newStream();
    if (expectedRevision !== NO_STREAM) await append(stream, numbered(2));
    const events = numbered(3);
    const first = await append(stream, events, expectedRevision);
    await append(stream, numbered(2));
    expect(await append(stream, events, expectedRevision)).toEqual(first);
    expect(await collect(test.client.readStream(stream))).toHaveLength(Number(first.nextExpectedRevision) + 3);
  });

  it.each<[string, AppendExpectedRevision]>([
    ['no stream', NO_STREAM],
    ['any', ANY],
  ])('refuses events at %s of which only some were written', async (_case, expectedRevision) => {
    const stream = newStream();
    const events = numbered(2);
    await append(stream, events, expectedRevision);
    const error = await rejection(append(stream, [...events, ...numbered(1)], expectedRevision));
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    expect(await collect(test.client.readStream(stream))).toHaveLength(2);
  });

  it('writes the same ids again at the current revision, as EventStoreDB does', async () => {
    const stream = newStream();
    const events = numbered(1);
    await append(stream, events, NO_STREAM);
    expect(await append(stream, events, 0n)).toMatchObject({ nextExpectedRevision: 1n });
  });

  it('takes the ids of another stream for new', async () => {
    const events = numbered(1);
    await append(newStream(), events);
    expect(await append(newStream(), events)).toMatchObject({ nextExpectedRevision: 0n });
  });

  it.each<[string, AppendExpectedRevision]>([
    ['any', ANY],
    ['stream exists', STREAM_EXISTS],
  ])('knows the first place of an id that is used again at %s, and no later one', async (_case, expectedRevision) => {
    const [first, second, events] = [newStream(), newStream(), numbered(1)];
    for (const stream of [first, second]) await append(stream, numbered(1));
    for (const [stream, nextExpectedRevision] of [
      [first, 1n],
      [second, 1n],
      [second, 2n],
      [first, 1n],
    ] as const) {
      expect(await append(stream, events, expectedRevision)).toMatchObject({ nextExpectedRevision });
    }
    expect(await collect(test.client.readStream(first))).toHaveLength(2);
    expect(await collect(test.client.readStream(second))).toHaveLength(3);
  });

  it('refuses new events behind an id whose first place is this stream, wherever else it was written since', async () => {
    const [stream, other, [repeated, fresh]] = [newStream(), newStream(), numbered(2)];
    if (repeated === undefined || fresh === undefined) throw new TypeError('two events are made');
    await append(stream, repeated);
    await append(other, repeated);
    const error = await rejection(append(stream, [repeated, fresh]));
    expect(error).toMatchObject({ type: 'wrong-expected-version', actualVersion: 0n });
    expect(await append(other, [repeated, fresh])).toMatchObject({ nextExpectedRevision: 2n });
  });

  it('answers with the first revision of an id that stands twice in a stream', async () => {
    const [stream, events] = [newStream(), numbered(1)];
    const first = await append(stream, events, NO_STREAM);
    await append(stream, events, 0n);
    for (const expectedRevision of [ANY, STREAM_EXISTS] as const)
      expect(await append(stream, events, expectedRevision)).toEqual(first);
    expect(await collect(test.client.readStream(stream))).toHaveLength(2);
  });

  it("says the stream's end when there is nothing to append", async () => {
    const stream = newStream();
    await append(stream, numbered(3));
    expect(await append(stream, [])).toMatchObject({ nextExpectedRevision: 2n });
  });

  it('takes 1 MiB of data in one append, whatever types and metadata come with it, and refuses more', async () => {
    const stream = newStream();
    const metadata = Buffer.alloc(700 * 1024);
    const sized = (bytes: number): EventData =>
      binaryEvent({ type: 'x'.repeat(300), data: Buffer.alloc(bytes), metadata });
    await append(stream, [sized(512 * 1024), sized(512 * 1024)]);
    const error = await rejection(append(stream, [sized(512 * 1024), sized(512 * 1024 + 1)]));
    expect(error).toBeInstanceOf(MaxAppendSizeExceededError);
    expect(error).toMatchObject({ maxAppendSize: 1024 * 1024 });
    const tooLargeForOneChunk = await rejection(
      append(
        stream,
        Array.from({ length: 7 }, () => sized(1024 * 1024)),
      ),
    );
    expect(tooLargeForOneChunk).toBeInstanceOf(MaxAppendSizeExceededError);
    expect(await collect(test.client.readStream(stream))).toHaveLength(2);
  });

  it('refuses an event without a type or a proper id', async () => {
    for (const event of [jsonEvent({ type: '', data: {} }), jsonEvent({ id: 'not-a-uuid', type: 'x', data: {} })]) {
      expect(await rejection(append(newStream(), event))).toBeInstanceOf(UnknownError);
    }
  });

  it('takes stream names of any length and alphabet', async () => {
    for (const stream of [
      `${newStream()} ÄÖ 日本 🙂`,
      `${newStream()}${'x'.repeat(3000)}`,
      `${newStream()}${'y'.repeat(1024)}`,
    ]) {
      await append(stream, numbered(2), NO_STREAM);
      const events = await collect(test.client.readStream(stream));
      expect(events.map(({ event }) => event?.streamId)).toEqual([stream, stream]);
    }
  });
});

it('refuses a batch whose time is over', async () => {
  const events = Array.from({ length: 30_000 }, () => jsonEvent({ type: 'x', data: {} }));
  expect(await rejection(test.client.appendToStream(newStream(), events, { deadline: 1 }))).toBeInstanceOf(
    DeadlineExceededError,
  );
});

it('puts the chunks of interleaved batches together', async () => {
  const streams = Array.from({ length: 8 }, () => newStream());
  const results = await Promise.all(
    streams.map((stream) =>
      test.client.appendToStream(stream, numbered(50), { expectedRevision: NO_STREAM, batchAppendSize: 200 }),
    ),
  );
  expect(results.map((result) => result.nextExpectedRevision)).toEqual(streams.map(() => 49n));
  for (const stream of streams) {
    const numbers = (await collect(test.client.readStream(stream))).map(
      ({ event }) => (event?.data as { number: number }).number,
    );
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, number) => number));
  }
});

describe.each([
  ['one commit', 1],
  ['several commits', 4],
])('with %s under way at a time, the node', (_case, mostCommitsAtOnce) => {
  let own: TestNode;
  beforeAll(async () => {
    own = await openTestNode({ mostCommitsAtOnce });
  });
  afterAll(() => own.close());

  it('lets one of many appends at the same revision win', async () => {
    const stream = newStream();
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, () => own.client.appendToStream(stream, numbered(1), { expectedRevision: NO_STREAM })),
    );
    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    const refused = attempts.flatMap((attempt) => (attempt.status === 'rejected' ? [attempt.reason as unknown] : []));
    for (const reason of refused) expect(reason).toBeInstanceOf(WrongExpectedVersionError);
  });

  it('recognises a repeat that arrives together with the original', async () => {
    const stream = newStream();
    const events = numbered(2);
    const attempts = await Promise.all(
      ([NO_STREAM, ANY, NO_STREAM, ANY] as const).map((expectedRevision) =>
        own.client.appendToStream(stream, events, { expectedRevision }),
      ),
    );
    expect(new Set(attempts.map((result) => result.position?.commit)).size).toBe(1);
    expect(await collect(own.client.readStream(stream))).toHaveLength(2);
  });

  it('takes thousands of appends that one turn of the event loop sends', async () => {
    const stream = newStream();
    const data = { text: 'A'.repeat(900) };
    const results = await Promise.all(
      Array.from({ length: 3_000 }, () => own.client.appendToStream(stream, jsonEvent({ type: 'flood', data }))),
    );
    expect(results.map(({ nextExpectedRevision }) => nextExpectedRevision)).toEqual(
      results.map((_, number) => BigInt(number)),
    );
    expect(await collect(own.client.readStream(stream))).toHaveLength(3_000);
  }, 30_000);

  it('decides each append on those before it that are not on disk yet', async () => {
    const stream = newStream();
    const appended = Array.from({ length: 60 }, (_, number) =>
      own.client.appendToStream(stream, numbered(1), {
        expectedRevision: number === 0 ? NO_STREAM : BigInt(number - 1),
      }),
    );
    const results = await Promise.all(appended);
    expect(results.map(({ nextExpectedRevision }) => nextExpectedRevision)).toEqual(
      results.map((_, number) => BigInt(number)),
    );
    const deleted = await Promise.allSettled([
      own.client.tombstoneStream(stream),
      own.client.appendToStream(stream, numbered(1)),
      own.client.appendToStream(stream, numbered(1)),
    ]);
    expect(deleted[0].status).toBe('fulfilled');
    expect(await rejection(own.client.appendToStream(stream, numbered(1)))).toMatchObject({ type: 'stream-deleted' });
  });
});
