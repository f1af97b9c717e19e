import { lastStreamPosition, firstStreamPosition, streamNotFound } from './read-messages.ts';
import type { Position, ReadRequest } from './read-request.ts';
import { streamDeleted, unreadable } from '../rpc-error.ts';
import type { PageSize, Storage } from '../storage/storage.ts';
import { readableState, readStreamPage } from '../storage/stream-reader.ts';
import type { NamedStream } from '../storage/stream-reader.ts';
import { visibleRange } from '../stream-state.ts';

/** One page of every read and subscription: large enough for full frames, small enough to hold for each slow reader. */
export const PAGE: PageSize = { records: 512, bytes: 256 * 1024 };

type Presenter = (record: Buffer) => Buffer;

/**
 * The messages that answer a read, page by page; the log is looked at only as pages are asked for.
 * Throws an RpcError when the stream has a tombstone or the position lies between events.
 */
export function readPages(storage: Storage, request: ReadRequest, present: Presenter): Iterable<Buffer[]> {
  return request.source.kind === 'all' ? readAll(storage, request, present) : readStream(storage, request, present);
}

/**
 * Refuses a position of `$all` at which no event begins, as EventStoreDB does when it comes upon the middle of a
 * record. Behind the end there is nothing to come upon, but nothing that could be read backwards either.
 */
export function checkPosition(storage: Storage, { commit }: Position, direction: 'forwards' | 'backwards'): void {
  if (commit === 0 || commit === storage.end) return;
  const isFree = commit > storage.end ? direction === 'forwards' : storage.recordAt(commit) !== undefined;
  if (!isFree) throw unreadable(`No event begins at position ${commit}.`);
}

function* readAll(storage: Storage, request: ReadRequest, present: Presenter): Generator<Buffer[]> {
  const { source, backwards, filter } = request;
  if (source.kind !== 'all') return;
  let remaining = request.count ?? 0;
  let at = allStart(storage, source.from, backwards);
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

/** A forward read includes the event at the result, a backward read begins before it. */
function allStart(storage: Storage, from: 'start' | 'end' | Position, backwards: boolean): number {
  if (from === 'start') return 0;
  if (from === 'end') return Infinity;
  checkPosition(storage, from, backwards ? 'backwards' : 'forwards');
  return from.commit;
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
  let from = source.kind === 'stream' ? streamStart(source.from) : 0;
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

function streamStart(from: 'start' | 'end' | number): number {
  if (from === 'start') return 0;
  if (from === 'end') return Number.MAX_SAFE_INTEGER;
  return from;
}
