import shared from '@eventstore/db-client/generated/shared_pb.js';
import { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { credentials } from '@grpc/grpc-js';

type Options = InstanceType<typeof streams.ReadReq.Options>;

/** A filter over `$all`, as it goes over the wire. */
export interface RawFilter {
  readonly on: 'stream' | 'type';
  readonly regex?: string;
  readonly prefixes?: readonly string[];
  /** The greatest number of events that one search looks at. */
  readonly max?: number;
}

/** A read as it goes over the wire: what the official client would not send can be sent too. */
export interface RawRead {
  /** Undefined reads `$all`. */
  readonly stream?: string;
  /** A revision of the stream; a position of `$all` as commit and prepare. Start without it. */
  readonly from?: 'start' | 'end' | bigint | readonly [commit: bigint, prepare: bigint];
  readonly backwards?: boolean;
  /** 1,000 without it. */
  readonly count?: number | bigint;
  readonly filter?: RawFilter;
}

/** Reads by a plain gRPC call; gives the messages that came, or rejects with the gRPC error. */
export async function rawRead(url: string, read: RawRead): Promise<InstanceType<typeof streams.ReadResp>[]> {
  const client = new StreamsClient(new URL(url).host, credentials.createInsecure());
  const request = new streams.ReadReq();
  request.setOptions(optionsOf(read));
  const messages: InstanceType<typeof streams.ReadResp>[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const call = client.read(request);
      call.on('data', (message) => messages.push(message));
      call.on('error', reject);
      call.on('end', resolve);
    });
    return messages;
  } finally {
    client.close();
  }
}

/** `stream@revision` of each event that a plain gRPC read gives. */
export async function rawEvents(url: string, read: RawRead): Promise<string[]> {
  return (await rawRead(url, read)).flatMap((message) => {
    const event = message.getEvent()?.getEvent();
    if (event === undefined) return [];
    return [
      `${Buffer.from(event.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()}@${event.getStreamRevision()}`,
    ];
  });
}

function optionsOf(read: RawRead): Options {
  const { Options } = streams.ReadReq;
  const options = new Options();
  if (read.stream === undefined) setAll(options, read.from);
  else setStream(options, read.stream, read.from);
  options.setReadDirection(read.backwards === true ? Options.ReadDirection.BACKWARDS : Options.ReadDirection.FORWARDS);
  options.setCount(String(read.count ?? 1_000));
  if (read.filter === undefined) options.setNoFilter(new shared.Empty());
  else options.setFilter(filterOf(read.filter));
  const uuid = new Options.UUIDOption();
  uuid.setString(new shared.Empty());
  options.setUuidOption(uuid);
  return options;
}

function setAll(options: Options, from: RawRead['from']): void {
  const all = new streams.ReadReq.Options.AllOptions();
  if (from === 'end') all.setEnd(new shared.Empty());
  else if (from === undefined || from === 'start' || typeof from === 'bigint') all.setStart(new shared.Empty());
  else {
    const position = new streams.ReadReq.Options.Position();
    position.setCommitPosition(String(from[0]));
    position.setPreparePosition(String(from[1]));
    all.setPosition(position);
  }
  options.setAll(all);
}

function setStream(options: Options, name: string, from: RawRead['from']): void {
  const stream = new streams.ReadReq.Options.StreamOptions();
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(name));
  stream.setStreamIdentifier(identifier);
  if (from === 'end') stream.setEnd(new shared.Empty());
  else if (typeof from === 'bigint') stream.setRevision(String(from));
  else stream.setStart(new shared.Empty());
  options.setStream(stream);
}

function filterOf(raw: RawFilter): InstanceType<typeof streams.ReadReq.Options.FilterOptions> {
  const { FilterOptions } = streams.ReadReq.Options;
  const expression = new FilterOptions.Expression();
  if (raw.regex !== undefined) expression.setRegex(raw.regex);
  expression.setPrefixList([...(raw.prefixes ?? [])]);
  const filter = new FilterOptions();
  if (raw.on === 'stream') filter.setStreamIdentifier(expression);
  else filter.setEventType(expression);
  if (raw.max === undefined) filter.setCount(new shared.Empty());
  else filter.setMax(raw.max);
  filter.setCheckpointintervalmultiplier(1);
  return filter;
}
