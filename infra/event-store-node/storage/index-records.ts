import { TOMBSTONE_REVISION, viewRecord } from './record.ts';
import type { RecordView } from './record.ts';
import { parseLimits } from './stream-metadata.ts';
import { isMetastream, originalStreamOf } from '../stream-state.ts';
import type { StreamState } from '../stream-state.ts';

/** An event in its stream, and where it is. */
export interface StreamEvent {
  readonly streamName: string;
  readonly revision: number;
  readonly position: number;
}

/** What records add to the index. */
export interface IndexChanges {
  readonly events: readonly StreamEvent[];
  readonly states: ReadonlyMap<string, StreamState>;
}

/** What these records add to an index that knows everything before them. */
export function indexChangesOf(records: readonly Buffer[], known: (streamName: string) => StreamState): IndexChanges {
  const states = new Map<string, StreamState>();
  const events: StreamEvent[] = [];
  const stateOf = (name: string): StreamState => states.get(name) ?? known(name);
  const addEvent = ({ streamName, revision, position, data, isJson }: RecordView): void => {
    states.set(streamName, { ...stateOf(streamName), revision: Number(revision) });
    events.push({ streamName, revision: Number(revision), position });
    if (!isMetastream(streamName)) return;
    const original = originalStreamOf(streamName);
    states.set(original, { ...stateOf(original), limits: parseLimits(data, isJson) });
  };
  for (const record of records) {
    const view = viewRecord(record);
    if (view.revision === TOMBSTONE_REVISION)
      states.set(view.streamName, { ...stateOf(view.streamName), tombstoned: true });
    else addEvent(view);
  }
  return { events, states };
}
