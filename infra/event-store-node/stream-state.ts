/** What stream metadata says about the events that a read may show. */
export interface StreamLimits {
  /** Events with a smaller revision are hidden. `DELETED` or above means that the stream is soft-deleted. */
  readonly truncateBefore: number;
  /** Only this many newest events are shown; Infinity without a limit. */
  readonly maxCount: number;
  /** Only events at most this many milliseconds old are shown; Infinity without a limit. */
  readonly maxAgeMs: number;
}

/** Everything about one stream that appends and reads decide on. */
export interface StreamState {
  /** Revision of the last event, -1 without one. */
  readonly revision: number;
  readonly tombstoned: boolean;
  readonly limits: StreamLimits;
}

/** The `$tb` of a soft-deleted stream, as a double. */
export const DELETED = Number(0x7fffffffffffffffn);
export const NO_LIMITS: StreamLimits = { truncateBefore: 0, maxCount: Infinity, maxAgeMs: Infinity };
export const EMPTY_STREAM: StreamState = { revision: -1, tombstoned: false, limits: NO_LIMITS };
export const METADATA_TYPE = '$metadata';
export const STREAM_DELETED_TYPE = '$streamDeleted';
export const SOFT_DELETE_METADATA = '{"$tb":9223372036854775807}';

const METASTREAM_PREFIX = '$$';

/** Only its newest event counts in a metadata stream. */
const METASTREAM_LIMITS: StreamLimits = { ...NO_LIMITS, maxCount: 1 };

/** Whether the stream holds another stream's metadata. */
export function isMetastream(streamName: string): boolean {
  return streamName.startsWith(METASTREAM_PREFIX);
}

/** The name of the stream that holds the metadata of `streamName`. */
export function metastreamOf(streamName: string): string {
  return METASTREAM_PREFIX + streamName;
}

/** The name of the stream that the metadata stream `metastreamName` describes. */
export function originalStreamOf(metastreamName: string): string {
  return metastreamName.slice(METASTREAM_PREFIX.length);
}

/** Whether a client may name a stream so. */
export function isValidStreamName(streamName: string): boolean {
  return streamName !== '' && streamName !== METASTREAM_PREFIX;
}

/** Whether the stream was deleted softly and not written since. */
export function isSoftDeleted(state: StreamState): boolean {
  return state.limits.truncateBefore >= DELETED;
}

/** What a read of the stream may show, as revisions from `first` to `last`; undefined when there is no such stream. */
export function visibleRange(
  streamName: string,
  state: StreamState,
): { first: number; last: number; maxAgeMs: number } | undefined {
  if (state.revision < 0 || isSoftDeleted(state)) return undefined;
  const limits = isMetastream(streamName) ? METASTREAM_LIMITS : state.limits;
  const first = Math.max(0, limits.truncateBefore, state.revision - limits.maxCount + 1);
  return { first, last: state.revision, maxAgeMs: limits.maxAgeMs };
}
