import type { BaseOptions, EventStoreDBClient, GRPCClientConstructor } from '@eventstore/db-client';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { StreamsClient, StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { CallOptions, ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { decodeRead, type Decoded, type Wanted } from './event-store-decoding.ts';
import { awayError, EventStoreAwayError } from './event-store-failures.ts';
import { parsePosition } from './event-store-positions.ts';

/** One read of the log. It may begin with the event at the place that it starts from. */
export type LogRead = {
  readonly from: Position | 'end';
  readonly backwards?: boolean;
  /** So many events at most; all that there are; or what there is and then what comes. */
  readonly size: number | 'all' | 'follow';
  /** Types whose data and metadata are needed; those of others stay undefined. */
  readonly wanted: Wanted;
  /** Has the server send its own events as well. */
  readonly withSystemEvents?: boolean;
};

/** What the server says besides events, such as that a subscription stands. */
export const NO_EVENT = 'no event';
/** One message of a read. */
export type Answer = Decoded | typeof NO_EVENT;
export const EVERY_TYPE: Wanted = { has: () => true };
export const NO_TYPE: Wanted = { has: () => false };

/**
 * Types that are not the server's own: links, checkpoints, metadata and statistics all begin with a dollar sign, also
 * in streams whose names do not. What projections write under other types is left out when it is decoded.
 */
const OUR_TYPES = '^[^$]';
/** The server looks through so many events before it says how far it is; a subscription hears of every tenth time. */
const [WINDOW, CHECKPOINT_EVERY] = [1_000, 10];
/** What the client sends for "all". */
const ALL = String(Number.MAX_SAFE_INTEGER);

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
 * Starts a read with the client's own connections, and decodes the answers at a fraction of what the client's decoding
 * costs. Unlike the client's `readAll` it lets the server leave out what is not ours, however much of it there is.
 */
export function openRead(client: EventStoreDBClient, read: LogRead): Promise<ClientReadableStream<Answer>> {
  const inside = Inside.parse(client);
  const { path, requestSerialize } = StreamsService.read;
  const decode = (bytes: Buffer): Answer => decodeRead(bytes, read.wanted) ?? NO_EVENT;
  return inside.GRPCStreamCreator(StreamsClient, 'read', (streamsClient) =>
    streamsClient.makeServerStreamRequest(
      path,
      requestSerialize,
      decode,
      requestOf(read),
      ...inside.callArguments({}, { deadline: Number.POSITIVE_INFINITY }),
    ),
  )();
}

/**
 * All events of a read that ends by itself. Throws EventStoreAwayError when the connection is lost, or `limitMs` pass
 * without an answer.
 */
export async function readPage(client: EventStoreDBClient, read: LogRead, limitMs: number): Promise<Decoded[]> {
  const heard: Decoded[] = [];
  const opening = openRead(client, read);
  let silence: NodeJS.Timeout | undefined;
  try {
    // By listening, which costs half of what iterating does, and always to the end: a call that is cancelled costs the
    // connection.
    await new Promise<void>((resolve, reject) => {
      silence = setTimeout(() => {
        reject(new EventStoreAwayError(`the reading of the log: no answer within ${String(limitMs)} ms`));
      }, limitMs);
      const fail = (error: unknown) => {
        reject(awayError('the reading of the log', error));
      };
      opening.then((call) => {
        call.on('data', (one: Answer) => {
          silence?.refresh();
          if (one !== NO_EVENT) heard.push(one);
        });
        call.on('error', fail);
        call.on('end', resolve);
        call.on('close', () => {
          reject(new EventStoreAwayError('the reading of the log broke off'));
        });
      }, fail);
    });
  } catch (error) {
    abandon(opening);
    throw error;
  } finally {
    clearTimeout(silence);
  }
  return heard;
}

/** Ends a call whose answers nobody waits for any more; does nothing to one that has ended. */
export function abandon(opening: Promise<ClientReadableStream<Answer>>): void {
  opening.then(cancelCall, () => undefined);
}

/** Cancels a call in a later turn: gRPC loses one that is cancelled in the turn that hands out a message. */
export async function cancelCall(call: ClientReadableStream<Answer>): Promise<void> {
  call.on('error', () => undefined);
  await nextTurn();
  call.cancel();
  // What had arrived by then has to be taken from the call, or it never ends.
  call.resume();
}

function requestOf({ from, backwards = false, size, withSystemEvents = false }: LogRead): streams.ReadReq {
  const { Options } = streams.ReadReq;
  const uuid = new Options.UUIDOption();
  uuid.setString(new shared.Empty());
  const options = new Options();
  options.setAll(placeOf(from));
  options.setResolveLinks(false);
  if (size === 'follow') options.setSubscription(new Options.SubscriptionOptions());
  else options.setCount(size === 'all' ? ALL : String(size));
  options.setUuidOption(uuid);
  if (withSystemEvents) options.setNoFilter(new shared.Empty());
  else options.setFilter(ourEvents());
  options.setReadDirection(backwards ? Options.ReadDirection.BACKWARDS : Options.ReadDirection.FORWARDS);
  const asked = new streams.ReadReq();
  asked.setOptions(options);
  return asked;
}

function placeOf(from: Position | 'end'): streams.ReadReq.Options.AllOptions {
  const { AllOptions, Position: Place } = streams.ReadReq.Options;
  const all = new AllOptions();
  if (from === 'end') {
    all.setEnd(new shared.Empty());
  } else if (from === START_OF_LOG) {
    all.setStart(new shared.Empty());
  } else {
    const place = new Place();
    const { commit, prepare } = parsePosition(from);
    place.setCommitPosition(String(commit));
    place.setPreparePosition(String(prepare));
    all.setPosition(place);
  }
  return all;
}

function ourEvents(): streams.ReadReq.Options.FilterOptions {
  const { FilterOptions } = streams.ReadReq.Options;
  const expression = new FilterOptions.Expression();
  expression.setRegex(OUR_TYPES);
  const filter = new FilterOptions();
  filter.setEventType(expression);
  filter.setMax(WINDOW);
  filter.setCheckpointintervalmultiplier(CHECKPOINT_EVERY);
  return filter;
}
