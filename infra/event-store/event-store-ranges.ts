import type { BaseOptions, EventStoreDBClient, GRPCClientConstructor } from '@eventstore/db-client';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { StreamsClient, StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { CallOptions, ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { z } from 'zod';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { EventStoreAwayError, isConnectionLost } from './event-store-appending.ts';
import { decodeRead, type Decoded, type Wanted } from './event-store-decoding.ts';
import { parsePosition } from './event-store-reading.ts';

/** A part of the log: what lies behind `after`, up to and with `until`. */
export type Range = {
  readonly after: Position;
  readonly until: Position;
  /** How many events it has, system events included; right or not, all of them are read. */
  readonly about: number;
  /** Types whose data and metadata are needed; those of others stay undefined. */
  readonly wanted: Wanted;
};

/** A read may begin with the event at the place that it starts from. */
const START_INCLUDED = 1;
/** What a page has at least when an estimate was too low. */
const PAGE_AT_LEAST = 500;
/** What a page has at most. */
const PAGE_AT_MOST = 20_000;

/** What the server says besides events, such as that a subscription stands. */
const NO_EVENT = 'no event';
/** One message of a read. */
export type Answer = Decoded | typeof NO_EVENT;
const EVERY_TYPE: Wanted = { has: () => true };

type StreamCreator = (
  of: GRPCClientConstructor<StreamsClient>,
  name: string,
  create: (client: StreamsClient) => ClientReadableStream<Answer>,
) => () => Promise<ClientReadableStream<Answer>>;
type CallArguments = (base: BaseOptions, options?: CallOptions) => [Metadata, CallOptions];

const isFunction = (value: unknown) => typeof value === 'function';
// The client keeps these to itself: by them it finds the leader, connects, signs in and connects again. A version
// without them is refused here.
const Inside = z.object({
  GRPCStreamCreator: z.custom<StreamCreator>(isFunction),
  callArguments: z.custom<CallArguments>(isFunction),
});

/**
 * All events of ours in a range, in order, for whoever replays many. Connections and calls are the client's; the
 * answers are decoded here, at a fraction of what its own decoding costs. Throws EventStoreAwayError when the
 * connection is lost.
 */
export async function readRange(
  client: EventStoreDBClient,
  { after, until, about, wanted }: Range,
): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  let size = Math.min(PAGE_AT_MOST, Math.max(PAGE_AT_LEAST, about) + START_INCLUDED);
  for (let from = after; ;) {
    const page = await readPage(client, { from, size, wanted });
    for (const { position, event } of page)
      if (position > from && position <= until && event !== undefined) events.push(event);
    from = page.at(-1)?.position ?? until;
    if (page.length < size || from >= until) return events;
    size = PAGE_AT_LEAST;
  }
}

type Page = { readonly from: Position; readonly size: number; readonly wanted: Wanted };

// By listening, which costs half of what iterating does, and always to the end: a call that is cancelled costs the
// connection.
async function readPage(client: EventStoreDBClient, { from, size, wanted }: Page): Promise<Decoded[]> {
  const heard: Decoded[] = [];
  const call = await openRead(client, request(from, size), wanted);
  await new Promise<void>((resolve, reject) => {
    call.on('data', (one: Answer) => {
      if (one !== NO_EVENT) heard.push(one);
    });
    call.on('error', (error) => {
      reject(
        isConnectionLost(error)
          ? new EventStoreAwayError('the reading of the log: the event store went away', { cause: error })
          : error,
      );
    });
    call.on('end', resolve);
    call.on('close', () => {
      reject(new EventStoreAwayError('the reading of the log broke off'));
    });
  });
  return heard;
}

/** A subscription to the whole log from behind a place, history first, then live; cancel the call to end it. */
export async function openFollowing(
  client: EventStoreDBClient,
  after: Position,
): Promise<ClientReadableStream<Answer>> {
  return openRead(client, request(after, 'follow'), EVERY_TYPE);
}

function openRead(
  client: EventStoreDBClient,
  asked: streams.ReadReq,
  wanted: Wanted,
): Promise<ClientReadableStream<Answer>> {
  const inside = Inside.parse(client);
  const { path, requestSerialize } = StreamsService.read;
  const decode = (bytes: Buffer): Answer => decodeRead(bytes, wanted) ?? NO_EVENT;
  return inside.GRPCStreamCreator(StreamsClient, 'read', (streamsClient) =>
    streamsClient.makeServerStreamRequest(
      path,
      requestSerialize,
      decode,
      asked,
      ...inside.callArguments({}, { deadline: Number.POSITIVE_INFINITY }),
    ),
  )();
}

function request(from: Position, size: number | 'follow'): streams.ReadReq {
  const { Options } = streams.ReadReq;
  const all = new Options.AllOptions();
  if (from === START_OF_LOG) {
    all.setStart(new shared.Empty());
  } else {
    const place = new Options.Position();
    const { commit, prepare } = parsePosition(from);
    place.setCommitPosition(String(commit));
    place.setPreparePosition(String(prepare));
    all.setPosition(place);
  }
  const uuid = new Options.UUIDOption();
  uuid.setString(new shared.Empty());
  const options = new Options();
  options.setAll(all);
  options.setResolveLinks(false);
  if (size === 'follow') options.setSubscription(new Options.SubscriptionOptions());
  else options.setCount(String(size));
  options.setUuidOption(uuid);
  options.setNoFilter(new shared.Empty());
  options.setReadDirection(Options.ReadDirection.FORWARDS);
  const asked = new streams.ReadReq();
  asked.setOptions(options);
  return asked;
}
