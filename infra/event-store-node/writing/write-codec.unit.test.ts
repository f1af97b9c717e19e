import streams from '@eventstore/db-client/generated/streams_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExpectedRevision } from '../check-append.ts';
import { decodeAppend, decodeBatchChunk, decodeProposed } from './write-codec.ts';

const expectations: fc.Arbitrary<ExpectedRevision> = fc.oneof(
  fc.constantFrom<ExpectedRevision>({ kind: 'any' }, { kind: 'no-stream' }, { kind: 'stream-exists' }),
  fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }).map((revision) => ({ kind: 'revision', revision }) as const),
);

function uuid(text: string): InstanceType<typeof shared.UUID> {
  const id = new shared.UUID();
  id.setString(text);
  return id;
}

function batch(streamName: string, expected: ExpectedRevision): InstanceType<typeof streams.BatchAppendReq> {
  const options = new streams.BatchAppendReq.Options();
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(streamName));
  options.setStreamIdentifier(identifier);
  if (expected.kind === 'revision') options.setStreamPosition(String(expected.revision));
  else {
    const append = new streams.AppendReq.Options();
    const empty = new shared.Empty();
    if (expected.kind === 'any') append.setAny(empty);
    else if (expected.kind === 'no-stream') append.setNoStream(empty);
    else append.setStreamExists(empty);
    return withOptions(
      streams.BatchAppendReq.Options.deserializeBinary(
        Buffer.concat([options.serializeBinary(), append.serializeBinary()]),
      ),
    );
  }
  return withOptions(options);
}

function withOptions(
  options: InstanceType<typeof streams.BatchAppendReq.Options>,
): InstanceType<typeof streams.BatchAppendReq> {
  const request = new streams.BatchAppendReq();
  request.setOptions(options);
  return request;
}

describe('a batch chunk', () => {
  it('is read as the official classes write it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        expectations,
        fc.uuid(),
        fc.boolean(),
        (streamName, expected, id, isFinal) => {
          const request = batch(streamName, expected);
          request.setCorrelationId(uuid(id));
          request.setIsFinal(isFinal);
          const chunk = decodeBatchChunk(Buffer.from(request.serializeBinary()));
          expect(shared.UUID.deserializeBinary(chunk.correlation).getString()).toBe(id);
          expect(chunk.options).toMatchObject({ streamName, expected });
          expect(chunk.isFinal).toBe(isFinal);
        },
      ),
    );
  });
});

describe('a proposed event', () => {
  const message = (id: InstanceType<typeof shared.UUID>, metadata: Record<string, string>): Buffer => {
    const proposed = new streams.AppendReq.ProposedMessage();
    proposed.setId(id);
    for (const [key, value] of Object.entries(metadata)) proposed.getMetadataMap().set(key, value);
    proposed.setData(Buffer.from('data'));
    proposed.setCustomMetadata(Buffer.from('metadata'));
    const request = new streams.AppendReq();
    request.setProposedMessage(proposed);
    return decodeAppend(Buffer.from(request.serializeBinary())).proposed ?? Buffer.alloc(0);
  };
  const complete = { type: 'x', 'content-type': 'application/json' };

  it('keeps its id, given as text or as two numbers', () => {
    fc.assert(
      fc.property(
        fc.uuid().filter((id) => !/^[0-]+$/.test(id)),
        (id) => {
          const structured = new shared.UUID.Structured();
          const hex = id.replaceAll('-', '');
          structured.setMostSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${hex.slice(0, 16)}`))));
          structured.setLeastSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${hex.slice(16)}`))));
          const asNumbers = new shared.UUID();
          asNumbers.setStructured(structured);
          for (const form of [uuid(id), uuid(id.toUpperCase()), asNumbers])
            expect(decodeProposed(message(form, complete)).id).toBe(id);
        },
      ),
    );
  });

  it('keeps type, data and metadata', () => {
    const event = decodeProposed(
      message(uuid('11111111-1111-4111-8111-111111111111'), { ...complete, other: 'ignored' }),
    );
    expect(event).toEqual({
      id: '11111111-1111-4111-8111-111111111111',
      type: 'x',
      isJson: true,
      data: Buffer.from('data'),
      customMetadata: Buffer.from('metadata'),
    });
  });

  it.each([
    ['a type', { 'content-type': 'application/json' }, ['type']],
    ['a content-type', { type: 'x' }, ['content-type']],
    ['anything in its type', { type: '', 'content-type': 'application/json' }, []],
  ])('is refused without %s', (_case, metadata, missing) => {
    const proposed = message(uuid('11111111-1111-4111-8111-111111111111'), metadata);
    expect(() => decodeProposed(proposed)).toThrow(expect.objectContaining({ name: 'InvalidEventError', missing }));
  });

  it('is refused with an empty id', () => {
    expect(() => decodeProposed(message(uuid('00000000-0000-0000-0000-000000000000'), complete))).toThrow(
      /no valid id/,
    );
  });
});

it('bytes from anywhere are read or refused, never looped over', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      for (const decode of [decodeBatchChunk, decodeAppend, decodeProposed]) {
        try {
          decode(Buffer.from(noise));
        } catch (error) {
          expect((error as Error).name).toMatch(/^(MalformedMessage|InvalidEvent)Error$/);
        }
      }
    }),
  );
});
