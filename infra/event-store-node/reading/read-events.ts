import { lastStreamPosition, firstStreamPosition, streamNotFound } from './read-messages.ts';
import type { Position, ReadRequest } from './read-request.ts';
import { streamDeleted } from '../rpc-error.ts';
import type { PageSize, Storage } from '../storage/storage.ts';
import { readableState, readStreamPage } from '../storage/stream-reader.ts';
import type { NamedStream } from '../storage/stream-reader.ts';
import { visibleRange } from '../stream-state.ts';

/** One page of every read and subscription: large enough for full frames, small enough to hold for each slow reader. */
export const PAGE: PageSize = { records: 512, bytes: 256 * 1024 };

type Presenter = (record: Buffer) => Buffer;

/**
 * The messages that answer a read, page by page; the log is looked at only as pages are asked for.
 * Throws an RpcError when the stream has a tombstone.
 */
export function readPages(storage: Storage, request: ReadRequest, present: Presenter): Iterable<Buffer[]> {
  return request.source.kind === 'all' ? readAll(storage, request, present) : readStream(storage, request, present);
}

/** The smallest position whose event a forward read from `from` includes. */
export function firstIncluded(from: Position): number {
  return from.prepare <= from.commit ? from.commit : from.commit + 1;
}

/** Events at or above the result are outside a backward read from `from`, which excludes the position itself. */
function firstExcluded(from: Position): number {
  return from.prepare > from.commit ? from.commit + 1 : from.commit;
}

function* readAll(storage: Storage, request: ReadRequest, present: Presenter): Generator<Buffer[]> {
  const { source, backwards, filter } = request;
  if (source.kind !== 'all') return;
  let remaining = request.count ?? 0;
  let at = allStart(source.from, backwards);
  for (let done = false; remaining > 0 && !done;) {
    const size = { ...PAGE, records: filter === undefined ? Math.min(PAGE.records, remaining) : PAGE.records };
    const page = backwards ? storage.pageBackward(at, size) : storage.pageForward(at, size);
    const matching = filter === undefined ? page.records : page.records.filter((record) => filter.matches(record));
    const wanted = matching.slice(0, remaining);
    remaining -= wanted.length;
    done = page.done;
    const last = page.positions.at(-1) ?? at;
    at = backwards ? last : last + 1;
    yield wanted.map(present);
  }
}

function allStart(from: 'start' | 'end' | Position, backwards: boolean): number {
  if (from === 'start') return 0;
  if (from === 'end') return Infinity;
  return backwards ? firstExcluded(from) : firstIncluded(from);
}

function* readStream(storage: Storage, request: ReadRequest, present: Presenter): Generator<Buffer[]> {
  const { source, backwards } = request;
  if (source.kind !== 'stream') return;
  const { streamName } = source;
  const state = readableState(storage, streamName);
  if (state.tombstoned) throw streamDeleted(streamName);
  const visible = visibleRange(streamName, state);
  if (visible === undefined) {
    yield [streamNotFound(streamName)];
    return;
  }
  let sent = 0;
  for (const records of streamRecords(storage, { streamName, state }, request)) {
    sent += records.length;
    yield records.map(present);
  }
  if (request.streamPositions) yield streamEnds(visible, backwards || sent > 0);
}

function* streamRecords(storage: Storage, stream: NamedStream, request: ReadRequest): Generator<Buffer[]> {
  const { backwards, source } = request;
  let remaining = request.count ?? 0;
  let from = source.kind === 'stream' ? streamStart(source.from, backwards) : 0;
  while (remaining > 0) {
    const size = { ...PAGE, records: Math.min(PAGE.records, remaining) };
    const page = readStreamPage(storage, stream, { from, backwards }, size);
    if (page.isLast && page.records.length === 0) return;
    remaining -= page.records.length;
    from = page.next;
    yield page.records;
    if (page.isLast) return;
  }
}

function streamEnds(visible: { first: number; last: number }, withoutFirst: boolean): Buffer[] {
  return withoutFirst
    ? [lastStreamPosition(visible.last)]
    : [firstStreamPosition(visible.first), lastStreamPosition(visible.last)];
}

function streamStart(from: 'start' | 'end' | number, backwards: boolean): number {
  if (from === 'start') return 0;
  if (from === 'end') return backwards ? Number.MAX_SAFE_INTEGER : Infinity;
  return from;
}
