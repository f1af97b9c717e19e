import type { IndexChanges } from './index-overlay.ts';
import { TOMBSTONE_REVISION, viewRecord } from './record.ts';
import type { RecordView } from './record.ts';
import { isMetastream, originalStreamOf, parseLimits } from './stream-state.ts';
import type { StreamState } from './stream-state.ts';

/** What is indexed already. */
export interface KnownStreams {
  stateOf(streamName: string): StreamState;
  greatestStreamId(): number;
}

/** What these records, which follow directly on the indexed ones, add to the index. */
export function indexChangesOf(records: readonly Buffer[], known: KnownStreams): IndexChanges {
  const states = new Map<string, StreamState>();
  const events: [number, number, number][] = [];
  let greatest = known.greatestStreamId();
  const stateOf = (name: string): StreamState => states.get(name) ?? known.stateOf(name);
  const addEvent = (view: RecordView): void => {
    const state = stateOf(view.streamName);
    const id = state.id === 0 ? ++greatest : state.id;
    const revision = Number(view.revision);
    states.set(view.streamName, { ...state, id, revision });
    events.push([id, revision, view.position]);
    if (!isMetastream(view.streamName)) return;
    const original = originalStreamOf(view.streamName);
    states.set(original, { ...stateOf(original), limits: parseLimits(view.data, view.isJson) });
  };
  for (const record of records) {
    const view = viewRecord(record);
    if (view.revision === TOMBSTONE_REVISION) states.set(view.streamName, { ...stateOf(view.streamName), tombstoned: true });
    else addEvent(view);
  }
  return { events, states };
}
