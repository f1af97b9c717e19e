import { randomUUID } from 'node:crypto';
import { checkAppend } from '../check-append.ts';
import type { AppendDecision, ExpectedRevision, WrittenEvents } from '../check-append.ts';
import { encodeRecord, TOMBSTONE_REVISION, viewRecord } from './record.ts';
import type { ProposedEvent } from './record.ts';
import type { RecentEvents } from './recent-events.ts';
import type { StreamEvent } from './index-records.ts';
import type { LogGroup } from './recent-log.ts';
import type { Storage } from './storage.ts';
import { parseLimits, withTruncateBefore } from './stream-metadata.ts';
import {
  isMetastream,
  isSoftDeleted,
  METADATA_TYPE,
  metastreamOf,
  originalStreamOf,
  SOFT_DELETE_METADATA,
  STREAM_DELETED_TYPE,
} from '../stream-state.ts';
import type { StreamState } from '../stream-state.ts';

/** A change to one stream, as a client asks for it. */
export type WriteRequest =
  | {
      readonly kind: 'append';
      readonly streamName: string;
      readonly expected: ExpectedRevision;
      readonly events: readonly ProposedEvent[];
    }
  | { readonly kind: 'delete' | 'tombstone'; readonly streamName: string; readonly expected: ExpectedRevision };

/** The answer to a write. A revision of -1 means that the stream has no event. */
export type WriteOutcome =
  | { readonly kind: 'written'; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: 'wrong-expected-revision'; readonly current: number }
  | { readonly kind: 'stream-deleted' };

/**
 * The writes that become durable in one commit. Each request is decided on what is stored, on the groups that are being
 * written, and on what earlier requests of the same group do. Nothing is stored before the group's changes are
 * committed.
 */
export class WriteGroup {
  readonly #storage: Storage;
  readonly #inFlight: readonly LogGroup[];
  readonly #recent: RecentEvents;
  readonly #createdTicks: string;
  readonly #start: number;
  readonly #records: Buffer[] = [];
  readonly #events: StreamEvent[] = [];
  readonly #states = new Map<string, StreamState>();
  /** States as they are stored: one request looks at the same ones several times. */
  readonly #stored = new Map<string, StreamState>();
  readonly #eventIds: string[] = [];
  #end: number;

  /** `inFlight` are the groups that are being written, oldest first. */
  constructor(log: { storage: Storage; inFlight: readonly LogGroup[] }, recent: RecentEvents, nowMs: number) {
    this.#storage = log.storage;
    this.#inFlight = log.inFlight;
    this.#recent = recent;
    this.#createdTicks = String(nowMs * 10_000);
    this.#start = log.inFlight.at(-1)?.end ?? log.storage.end;
    this.#end = this.#start;
  }

  /** What to commit. */
  get changes(): LogGroup {
    return { start: this.#start, end: this.#end, records: this.#records, events: this.#events, states: this.#states };
  }

  /** The ids that the group was the first to use: to be forgotten if the commit fails. */
  get eventIds(): readonly string[] {
    return this.#eventIds;
  }

  /** Decides on a request and adds its events to the group. The outcome counts only once the group is committed. */
  apply(request: WriteRequest): WriteOutcome {
    const tombstoneId = request.kind === 'append' ? '' : randomUUID();
    const eventIds = request.kind === 'append' ? request.events.map((event) => event.id) : [tombstoneId];
    const decision = this.#decide(request, eventIds);
    switch (decision.kind) {
      case 'wrong-expected-revision':
      case 'stream-deleted':
        return decision;
      case 'already-written':
        return { kind: 'written', revision: decision.revision, position: decision.position };
      case 'write':
        break;
      default:
        return decision satisfies never;
    }
    switch (request.kind) {
      case 'append':
        return this.#append(request.streamName, request.events, decision.undelete);
      case 'delete':
        return this.#softDelete(request.streamName, tombstoneId);
      case 'tombstone':
        return this.#tombstone(request.streamName, tombstoneId);
      default:
        return request satisfies never;
    }
  }

  #decide(request: WriteRequest, eventIds: readonly string[]): AppendDecision {
    const { streamName, expected } = request;
    const state = this.#stateOf(streamName);
    const written: WrittenEvents = {
      recent: (id) => this.#recent.get(id),
      at: (revision) => {
        const record = this.#recordOf(streamName, revision);
        return record === undefined ? undefined : viewRecord(record);
      },
    };
    const hasMetadata = (): boolean => this.#stateOf(metastreamOf(streamName)).revision >= 0;
    return checkAppend({ streamName, state, expected, eventIds, hasMetadata }, written);
  }

  #append(streamName: string, events: readonly ProposedEvent[], undelete: boolean): WriteOutcome {
    const original = isMetastream(streamName) ? originalStreamOf(streamName) : undefined;
    const wakesOriginal = original !== undefined && events.length > 0 && isSoftDeleted(this.#stateOf(original));
    const before = this.#stateOf(streamName).revision;
    const position = this.#write(streamName, events);
    if (undelete) this.#undelete(streamName, before + 1);
    if (wakesOriginal) this.#undelete(original, this.#stateOf(original).revision + 1);
    return { kind: 'written', revision: before + events.length, position };
  }

  #softDelete(streamName: string, eventId: string): WriteOutcome {
    const metastream = metastreamOf(streamName);
    if (this.#stateOf(streamName).revision < 0 && this.#stateOf(metastream).revision < 0) {
      return { kind: 'wrong-expected-revision', current: -1 };
    }
    const position = this.#write(metastream, [metadataEvent(eventId, SOFT_DELETE_METADATA)]);
    return { kind: 'written', revision: this.#stateOf(streamName).revision, position };
  }

  #tombstone(streamName: string, eventId: string): WriteOutcome {
    const state = this.#stateOf(streamName);
    const empty = Buffer.alloc(0);
    const event: ProposedEvent = {
      id: eventId,
      type: STREAM_DELETED_TYPE,
      isJson: false,
      data: empty,
      customMetadata: empty,
    };
    const position = this.#place(streamName, TOMBSTONE_REVISION, event);
    this.#states.set(streamName, { ...state, tombstoned: true });
    return { kind: 'written', revision: state.revision, position };
  }

  /** Brings a soft-deleted stream back with its old events hidden. Metadata that is not JSON leaves it deleted. */
  #undelete(streamName: string, truncateBefore: number): void {
    const metastream = metastreamOf(streamName);
    const current = this.#recordOf(metastream, this.#stateOf(metastream).revision);
    const metadata = current === undefined ? undefined : withTruncateBefore(viewRecord(current).data, truncateBefore);
    if (metadata !== undefined) this.#write(metastream, [metadataEvent(randomUUID(), metadata)]);
  }

  /** Adds events at the end of a stream; returns the position of the last one, undefined if there is none. */
  #write(streamName: string, events: readonly ProposedEvent[]): number | undefined {
    let position: number | undefined;
    let state = this.#stateOf(streamName);
    for (const event of events) {
      state = { ...state, revision: state.revision + 1 };
      position = this.#place(streamName, BigInt(state.revision), event);
      const written = { streamName, revision: state.revision, position };
      this.#events.push(written);
      if (this.#recent.add(event.id, written)) this.#eventIds.push(event.id);
    }
    const last = events.at(-1);
    if (last === undefined) return undefined;
    this.#states.set(streamName, state);
    if (isMetastream(streamName)) this.#describe(originalStreamOf(streamName), last);
    return position;
  }

  #describe(streamName: string, metadata: ProposedEvent): void {
    const limits = parseLimits(Buffer.from(metadata.data), metadata.isJson);
    this.#states.set(streamName, { ...this.#stateOf(streamName), limits });
  }

  #place(streamName: string, revision: bigint, event: ProposedEvent): number {
    const position = this.#end;
    const record = encodeRecord(event, {
      streamName: Buffer.from(streamName),
      revision,
      position,
      createdTicks: this.#createdTicks,
    });
    this.#records.push(record);
    this.#end += record.length;
    return position;
  }

  /** A metadata stream goes with the stream that it describes. */
  #stateOf(streamName: string): StreamState {
    const state = this.#states.get(streamName) ?? this.#storedStateOf(streamName);
    if (state.tombstoned || !isMetastream(streamName)) return state;
    return this.#stateOf(originalStreamOf(streamName)).tombstoned ? { ...state, tombstoned: true } : state;
  }

  #storedStateOf(streamName: string): StreamState {
    const known = this.#stored.get(streamName);
    if (known !== undefined) return known;
    const inFlight = this.#inFlight.findLast((group) => group.states.has(streamName));
    const state = inFlight?.states.get(streamName) ?? this.#storage.stateOf(streamName);
    this.#stored.set(streamName, state);
    return state;
  }

  #recordOf(streamName: string, revision: number): Buffer | undefined {
    const stored = this.#storage.recordOf(streamName, revision);
    if (stored !== undefined) return stored;
    for (const group of [...this.#inFlight, this.changes]) {
      const event = group.events.find((one) => one.streamName === streamName && one.revision === revision);
      if (event !== undefined) return recordAt(group, event.position);
    }
    return undefined;
  }
}

function recordAt(group: LogGroup, position: number): Buffer | undefined {
  let at = group.start;
  for (const record of group.records) {
    if (at === position) return record;
    at += record.length;
  }
  return undefined;
}

function metadataEvent(id: string, metadata: string): ProposedEvent {
  return { id, type: METADATA_TYPE, isJson: true, data: Buffer.from(metadata), customMetadata: Buffer.alloc(0) };
}
