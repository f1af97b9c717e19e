import { viewRecord } from './record.ts';
import type { PageSize, Storage } from './storage.ts';
import { isMetastream, originalStreamOf, visibleRange } from '../stream-state.ts';
import type { StreamState } from '../stream-state.ts';

/** A stream together with its state as readers see it. */
export interface NamedStream {
  readonly streamName: string;
  readonly state: StreamState;
}

/** What one page of a stream read holds. */
export interface StreamPage {
  readonly records: Buffer[];
  /** Where the next page begins. */
  readonly next: number;
  /** Whether no further page holds anything at the moment. */
  readonly isLast: boolean;
}

/** The state of a stream as readers see it: a metadata stream is gone with the stream that it describes. */
export function readableState(storage: Storage, streamName: string): StreamState {
  const state = storage.stateOf(streamName);
  if (state.tombstoned || !isMetastream(streamName)) return state;
  return storage.stateOf(originalStreamOf(streamName)).tombstoned ? { ...state, tombstoned: true } : state;
}

/** The visible events of a stream from revision `from` on, in one direction, at most one page. */
export function readStreamPage(
  storage: Storage,
  stream: NamedStream,
  range: { from: number; backwards: boolean },
  size: PageSize,
): StreamPage {
  const span = visibleSpan(stream, range);
  return span === undefined
    ? { records: [], next: range.from, isLast: true }
    : readPage(storage, stream.streamName, span, size);
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly maxAgeMs: number;
}

function readPage(storage: Storage, streamName: string, span: Span, size: PageSize): StreamPage {
  const step = span.to < span.from ? -1 : 1;
  const records: Buffer[] = [];
  let bytes = 0;
  let next = span.from;
  for (const { revision, position } of storage.events(streamName, span, size.records)) {
    next = revision + step;
    const record = storage.recordAt(position);
    if (record === undefined || isTooOld(record, span.maxAgeMs)) continue;
    records.push(record);
    bytes += record.length;
    if (bytes >= size.bytes) break;
  }
  return { records, next, isLast: next === span.to + step };
}

/** The events of a stream from one revision to another, hidden ones too, at most one page. */
export function readEveryEvent(
  storage: Storage,
  streamName: string,
  range: { from: number; to: number },
  size: PageSize,
): StreamPage {
  const { from, to } = range;
  return from > to
    ? { records: [], next: from, isLast: true }
    : readPage(storage, streamName, { from, to, maxAgeMs: Infinity }, size);
}

function visibleSpan(stream: NamedStream, range: { from: number; backwards: boolean }): Span | undefined {
  const visible = visibleRange(stream.streamName, stream.state);
  if (visible === undefined) return undefined;
  const { first, last, maxAgeMs } = visible;
  const from = range.backwards ? Math.min(range.from, last) : Math.max(range.from, first);
  if (from < first || from > last) return undefined;
  return { from, to: range.backwards ? first : last, maxAgeMs };
}

function isTooOld(record: Buffer, maxAgeMs: number): boolean {
  return maxAgeMs !== Infinity && viewRecord(record).createdMs < Date.now() - maxAgeMs;
}
