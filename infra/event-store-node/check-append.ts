import { isSoftDeleted } from './stream-state.ts';
import type { StreamState } from './stream-state.ts';

/** The state that the client expects the stream to be in. */
export type ExpectedRevision =
  | { readonly kind: 'any' }
  | { readonly kind: 'stream-exists' }
  | { readonly kind: 'no-stream' }
  | { readonly kind: 'revision'; readonly revision: bigint };

/** Where an event that was already written is. */
export interface WrittenEvent {
  readonly streamName: string;
  readonly revision: number;
  readonly position: number;
}

/** How the check finds events that were written before. */
export interface WrittenEvents {
  /** The event with this id, if it was written lately. */
  recent(eventId: string): WrittenEvent | undefined;
  /** The event at a revision of the stream in question. */
  at(revision: number): { readonly id: string; readonly position: number } | undefined;
}

/** What to do with an append. */
export type AppendDecision =
  | { readonly kind: 'write'; readonly undelete: boolean }
  | { readonly kind: 'already-written'; readonly revision: number; readonly position: number }
  | { readonly kind: 'wrong-expected-revision'; readonly current: number }
  | { readonly kind: 'stream-deleted' };

/** An append as the check sees it. */
export interface AppendAttempt {
  readonly streamName: string;
  readonly state: StreamState;
  readonly expected: ExpectedRevision;
  readonly eventIds: readonly string[];
  /** Whether the stream has metadata, which makes it exist without events. */
  readonly hasMetadata: () => boolean;
}

/**
 * Decides on an append the way EventStoreDB does: expected revision first, idempotency by event ids where that fails.
 */
export function checkAppend(attempt: AppendAttempt, written: WrittenEvents): AppendDecision {
  const { state, expected } = attempt;
  if (state.tombstoned) return { kind: 'stream-deleted' };
  switch (expected.kind) {
    case 'any':
      return checkLoosely(attempt, written);
    case 'stream-exists':
      if (isSoftDeleted(state)) return { kind: 'stream-deleted' };
      if (state.revision < 0 && !attempt.hasMetadata())
        return { kind: 'wrong-expected-revision', current: state.revision };
      return checkLoosely(attempt, written);
    case 'no-stream':
      return checkExactly(attempt, -1n, written);
    case 'revision':
      return checkExactly(attempt, expected.revision, written);
    default:
      return expected satisfies never;
  }
}

function checkLoosely(attempt: AppendAttempt, written: WrittenEvents): AppendDecision {
  const { state, eventIds, streamName } = attempt;
  let last: WrittenEvent | undefined;
  for (const id of eventIds) {
    const found = written.recent(id);
    if (found?.streamName === streamName) last = found;
    else if (last === undefined) break;
    else return { kind: 'wrong-expected-revision', current: state.revision };
  }
  if (last === undefined) return { kind: 'write', undelete: isSoftDeleted(state) };
  return { kind: 'already-written', revision: last.revision, position: last.position };
}

function checkExactly(attempt: AppendAttempt, expected: bigint, written: WrittenEvents): AppendDecision {
  const { state, eventIds } = attempt;
  const wrong: AppendDecision = { kind: 'wrong-expected-revision', current: state.revision };
  if (expected === BigInt(state.revision)) return { kind: 'write', undelete: isSoftDeleted(state) };
  if (expected > BigInt(state.revision) || eventIds.length === 0) return wrong;
  const from = Number(expected);
  let position = 0;
  for (const [index, id] of eventIds.entries()) {
    const found = written.at(from + 1 + index);
    if (found?.id !== id) {
      const recreates = index === 0 && expected === -1n && isSoftDeleted(state);
      return recreates ? { kind: 'write', undelete: true } : wrong;
    }
    position = found.position;
  }
  return { kind: 'already-written', revision: from + eventIds.length, position };
}
