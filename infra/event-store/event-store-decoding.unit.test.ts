import { convertGrpcEvent } from '@eventstore/db-client/dist/utils/convertGrpcEvent.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRead } from './event-store-decoding.ts';
import { toRecorded } from './event-store-reading.ts';
import { positionOf } from './event-store-positions.ts';

const number64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.maxSafeNat().map(BigInt),
  fc.nat().map(BigInt),
);
const json = fc.json().map((text) => Buffer.from(text));
const bytes = fc.uint8Array({ maxLength: 300 }).map((content) => Buffer.from(content));
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }).filter((text) => !text.startsWith('$'));
const stored = fc.record({
  id: fc.uuid(),
  streamId: name,
  revision: number64,
  commit: number64,
  prepare: number64,
  isJson: fc.boolean(),
  type: fc.option(name, { nil: undefined }),
  data: fc.oneof(json, bytes),
  metadata: fc.oneof(json, bytes),
  created: fc
    .date({ min: new Date(0), noInvalidDate: true })
    .chain((date) => fc.nat(9_999).map((ticks) => String(BigInt(date.getTime()) * 10_000n + BigInt(ticks)))),
});
type Stored = typeof stored extends fc.Arbitrary<infer T> ? T : never;

function answer({
  id,
  streamId,
  revision,
  commit,
  prepare,
  isJson,
  type,
  data,
  metadata,
  created,
}: Stored): streams.ReadResp {
  const uuid = new shared.UUID();
  uuid.setString(id);
  const stream = new shared.StreamIdentifier();
  stream.setStreamName(Buffer.from(streamId));
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(uuid);
  recorded.setStreamIdentifier(stream);
  recorded.setStreamRevision(String(revision));
  recorded.setCommitPosition(String(commit));
  recorded.setPreparePosition(String(prepare));
  if (type !== undefined) recorded.getMetadataMap().set('type', type);
  recorded
    .getMetadataMap()
    .set('content-type', isJson ? 'application/json' : 'application/octet-stream')
    .set('created', created);
  recorded.setCustomMetadata(metadata);
  recorded.setData(data);
  const read = new streams.ReadResp.ReadEvent();
  read.setEvent(recorded);
  read.setCommitPosition(String(commit));
  const response = new streams.ReadResp();
  response.setEvent(read);
  return response;
}

const encoded = (event: Stored) => Buffer.from(answer(event).serializeBinary());
const everything = { has: () => true };
const nothing = new Set<string>();

describe('an answer of the event store, decoded for a replay', () => {
  it('is the event that the official client makes of it', () => {
    fc.assert(
      fc.property(stored, (event) => {
        const theirs = toRecorded(
          convertGrpcEvent(streams.ReadResp.deserializeBinary(encoded(event)).getEvent()!) as Parameters<
            typeof toRecorded
          >[0],
        );
        expect(decodeRead(encoded(event), everything)).toEqual({ position: positionOf(event), event: theirs });
      }),
    );
  });

  it('leaves the data and metadata of types that nobody wants where they are', () => {
    fc.assert(
      fc.property(stored, (event) => {
        const all = decodeRead(encoded(event), everything)!;
        expect(decodeRead(encoded(event), nothing)).toEqual({
          position: all.position,
          event: { ...all.event, data: undefined, metadata: undefined },
        });
      }),
    );
  });

  it('is no event of ours when it is one of the system', () => {
    fc.assert(
      fc.property(stored, (event) => {
        expect(decodeRead(encoded({ ...event, type: `$${event.type ?? ''}` }), everything)).toEqual({
          position: positionOf(event),
          event: undefined,
        });
        expect(decodeRead(encoded({ ...event, streamId: `$${event.streamId}` }), everything)).toEqual({
          position: positionOf(event),
          event: undefined,
        });
      }),
    );
  });

  it('is nothing when it carries no event', () => {
    const response = new streams.ReadResp();
    response.setCaughtUp(new streams.ReadResp.CaughtUp());
    expect(decodeRead(Buffer.from(response.serializeBinary()), everything)).toBeUndefined();
    expect(decodeRead(Buffer.alloc(0), everything)).toBeUndefined();
  });

  it('is refused when it is cut off', () => {
    fc.assert(
      fc.property(stored, fc.nat(), (event, cut) => {
        const whole = encoded(event);
        expect(() => decodeRead(whole.subarray(0, 1 + (cut % (whole.length - 1))), everything)).toThrow();
      }),
    );
  });
});
