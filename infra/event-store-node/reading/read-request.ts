import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import { compileFilter } from './event-filter.ts';
import type { EventFilter } from './event-filter.ts';
import { invalidArgument, unreadable } from '../rpc-error.ts';
import { isValidStreamName } from '../stream-state.ts';

/**
 * A place in `$all` as clients name it: compared by commit, then by prepare, which is never greater. Here both are the
 * same for every event.
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

/** How "the end" goes over the wire as a number. */
const END = 0xffffffffffffffffn;
/** Revisions and positions are signed 64-bit numbers to the server. */
const GREATEST = 0x7fffffffffffffffn;
const BACKWARDS = 1;

/**
 * Reads the request. Throws an RpcError: INVALID_ARGUMENT for combinations that do not exist, UNKNOWN where
 * EventStoreDB fails, which is forwards from the end of a stream, no event wanted, and revisions or positions that are
 * none.
 */
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
  if (options.hasCount()) {
    const count = Number(options.getCount());
    if (count === 0) throw unreadable('The read asks for no event.');
    return count;
  }
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
  const commit = BigInt(position.getCommitPosition());
  const prepare = BigInt(position.getPreparePosition());
  if (commit === END && prepare === END) return { kind: 'all', from: 'end' };
  if (commit > GREATEST || prepare > commit) throw unreadable(`There is no position ${commit}/${prepare}.`);
  return { kind: 'all', from: { commit: Number(commit), prepare: Number(prepare) } };
}

function streamSource(options: ReadReq.Options): ReadSource {
  const stream = options.getStream();
  const name = stream?.getStreamIdentifier()?.getStreamName_asU8();
  const streamName = name === undefined ? '' : Buffer.from(name).toString();
  if (stream === undefined || !isValidStreamName(streamName)) throw invalidArgument('The read names no stream.');
  const from = revisionOf(stream);
  const readsForwards = options.hasCount() && options.getReadDirection() !== BACKWARDS;
  if (from === 'end' && readsForwards) throw unreadable('Nothing can be read forwards from the end of a stream.');
  return { kind: 'stream', streamName, from };
}

function revisionOf(stream: ReadReq.Options.StreamOptions): 'start' | 'end' | number {
  if (!stream.hasRevision()) return stream.hasEnd() ? 'end' : 'start';
  const exact = BigInt(stream.getRevision());
  if (exact === END) return 'end';
  if (exact > GREATEST) throw unreadable(`There is no revision ${exact}.`);
  return Number(exact);
}
