import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import { compileFilter } from './event-filter.ts';
import type { EventFilter } from './event-filter.ts';
import { invalidArgument } from '../rpc-error.ts';
import { isValidStreamName } from '../stream-state.ts';

/**
 * A place in `$all` as clients name it: compared by commit, then by prepare. Here both are the same for every event.
 */
export interface Position {
  readonly commit: number;
  readonly prepare: number;
}

/** What a read or subscription covers, and where the client wants to begin. */
export type ReadSource =
  | { readonly kind: 'all'; readonly from: 'start' | 'end' | Position }
  | { readonly kind: 'stream'; readonly streamName: string; readonly from: 'start' | 'end' | number };

/** A parsed read request. */
export interface ReadRequest {
  readonly source: ReadSource;
  readonly backwards: boolean;
  /** Events wanted, undefined for a subscription. */
  readonly count: number | undefined;
  readonly resolveLinks: boolean;
  readonly filter: EventFilter | undefined;
  /** Whether the client wants ids as two numbers instead of text. */
  readonly structuredIds: boolean;
  /** Whether the client understands messages about the first and last revision of a stream. */
  readonly streamPositions: boolean;
}

const END_OF_ALL = 0xffffffffffffffffn;
const BACKWARDS = 1;

/** Reads the request. Throws an INVALID_ARGUMENT RpcError for combinations that do not exist. */
export function parseReadRequest(request: ReadReq): ReadRequest {
  const options = request.getOptions();
  if (options === undefined) throw invalidArgument('The read has no options.');
  const source = options.hasAll() ? allSource(options) : streamSource(options);
  const count = countOf(options);
  return {
    source,
    count,
    backwards: options.getReadDirection() === BACKWARDS,
    resolveLinks: options.getResolveLinks(),
    filter: filterOf(options, source.kind, count === undefined),
    structuredIds: options.getUuidOption()?.hasStructured() === true,
    streamPositions: (options.getControlOption()?.getCompatibility() ?? 0) >= 1,
  };
}

function countOf(options: ReadReq.Options): number | undefined {
  if (options.hasCount()) return Number(options.getCount());
  if (!options.hasSubscription()) throw invalidArgument('The read has neither a count nor a subscription.');
  if (options.getReadDirection() === BACKWARDS) throw invalidArgument('A subscription reads forwards.');
  return undefined;
}

function filterOf(
  options: ReadReq.Options,
  source: ReadSource['kind'],
  forSubscription: boolean,
): EventFilter | undefined {
  const filter = options.getFilter();
  if (filter === undefined) return undefined;
  if (source === 'stream') throw invalidArgument('Only $all can be filtered.');
  return compileFilter(filter, forSubscription);
}

function allSource(options: ReadReq.Options): ReadSource {
  const all = options.getAll();
  const position = all?.getPosition();
  if (position === undefined) return { kind: 'all', from: all?.hasEnd() === true ? 'end' : 'start' };
  if (BigInt(position.getCommitPosition()) === END_OF_ALL) return { kind: 'all', from: 'end' };
  return {
    kind: 'all',
    from: { commit: Number(position.getCommitPosition()), prepare: Number(position.getPreparePosition()) },
  };
}

function streamSource(options: ReadReq.Options): ReadSource {
  const stream = options.getStream();
  const name = stream?.getStreamIdentifier()?.getStreamName_asU8();
  const streamName = name === undefined ? '' : Buffer.from(name).toString();
  if (stream === undefined || !isValidStreamName(streamName)) throw invalidArgument('The read names no stream.');
  if (!stream.hasRevision()) return { kind: 'stream', streamName, from: stream.hasEnd() ? 'end' : 'start' };
  const exact = BigInt(stream.getRevision());
  return { kind: 'stream', streamName, from: exact === END_OF_ALL ? 'end' : Number(exact) };
}
