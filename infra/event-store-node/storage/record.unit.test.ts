import streams from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRecord, recordedEventOf, TOMBSTONE_REVISION, viewRecord } from './record.ts';
import type { Placement, ProposedEvent } from './record.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((content) => Buffer.from(content));
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });
const proposed: fc.Arbitrary<ProposedEvent> = fc.record({
  id: fc.uuid(),
  type: text,
  isJson: fc.boolean(),
  data: bytes,
  customMetadata: bytes,
});
const placement: fc.Arbitrary<Placement> = fc.record({
  streamName: text.map((name) => Buffer.from(name)),
  revision: fc.oneof(fc.maxSafeNat().map(BigInt), fc.constant(TOMBSTONE_REVISION)),
  position: fc.maxSafeNat(),
  createdTicks: fc.date({ min: new Date(0), noInvalidDate: true }).map((date) => String(date.getTime() * 10_000)),
});

describe('a stored record', () => {
  it('is what the official message classes read', () => {
    fc.assert(
      fc.property(proposed, placement, (event, place) => {
        const read = streams.ReadResp.deserializeBinary(encodeRecord(event, place)).getEvent()!;
        const recorded = read.getEvent()!;
        expect(read.getCommitPosition()).toBe(String(place.position));
        expect(recorded.getId()!.getString()).toBe(event.id);
        expect(Buffer.from(recorded.getStreamIdentifier()!.getStreamName_asU8())).toEqual(place.streamName);
        expect(recorded.getStreamRevision()).toBe(String(place.revision));
        expect(recorded.getCommitPosition()).toBe(String(place.position));
        expect(recorded.getPreparePosition()).toBe(String(place.position));
        expect(recorded.getMetadataMap().toObject().toSorted()).toEqual([
          ['content-type', event.isJson ? 'application/json' : 'application/octet-stream'],
          ['created', place.createdTicks],
          ['type', event.type],
        ]);
        expect(Buffer.from(recorded.getData_asU8())).toEqual(event.data);
        expect(Buffer.from(recorded.getCustomMetadata_asU8())).toEqual(event.customMetadata);
      }),
    );
  });

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(proposed, placement, (event, place) => {
        expect(viewRecord(encodeRecord(event, place))).toEqual({
          ...event,
          streamName: place.streamName.toString(),
          revision: place.revision,
          position: place.position,
          createdMs: Number(place.createdTicks) / 10_000,
        });
      }),
    );
  });

  it('is read whatever order its fields are in', () => {
    fc.assert(
      fc.property(proposed, placement, (event, place) => {
        const record = encodeRecord(event, place);
        const again = Buffer.from(streams.ReadResp.deserializeBinary(record).serializeBinary());
        expect(viewRecord(again)).toEqual(viewRecord(record));
      }),
    );
  });

  it('gives up bytes that are none', () => {
    fc.assert(
      fc.property(proposed, placement, fc.nat(), (event, place, cut) => {
        const record = encodeRecord(event, place);
        expect(() => recordedEventOf(record.subarray(0, cut % record.length))).toThrow();
      }),
    );
  });
});
