import { setTimeout as delay } from 'node:timers/promises';
import {
  EventStoreAwayError,
  EventStoreCircuitOpenError,
  EventStoreDeniedError,
  OutcomeUnknownError,
  VersionConflictError,
} from '../infra/event-store/event-store.ts';

const ATTEMPTS = 4;
/** As long as one answer of the store may take. */
const OUTAGE_PATIENCE_MS = 5_000;
const LONGEST_PAUSE_MS = 500;

/**
 * Runs `work` again after a version conflict, four times at most, and for five seconds while the store is away for a
 * moment or has no leader; then its error is the caller's. `onFailure` is called before each further try.
 */
export async function patiently<T>(work: () => Promise<T>, onFailure: () => void): Promise<T> {
  const started = performance.now();
  for (let attempt = 1, conflicts = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      onFailure();
      if (error instanceof VersionConflictError) conflicts += 1;
      else if (!mayPass(error)) throw error;
      const pauseMs =
        error instanceof VersionConflictError
          ? Math.random() * 5 * 4 ** conflicts
          : Math.min(20 * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
      if (conflicts >= ATTEMPTS || performance.now() - started + pauseMs > OUTAGE_PATIENCE_MS) throw error;
      await delay(pauseMs);
    }
  }
}

/**
 * Whether a store may do in a moment what it does not now: not while it is left alone, nor until somebody lets us in.
 */
function mayPass(error: unknown): boolean {
  if (error instanceof OutcomeUnknownError) return true;
  return (
    error instanceof EventStoreAwayError &&
    !(error instanceof EventStoreCircuitOpenError || error instanceof EventStoreDeniedError)
  );
}
