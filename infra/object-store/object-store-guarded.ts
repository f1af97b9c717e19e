import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  circuitBreaker,
  handleWhen,
  retry,
  wrap,
} from 'cockatiel';
import { ChecksumMismatch } from './object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { ObjectStoreUnavailable } from './s3-outage.ts';

export interface GuardOptions {
  /** Tries after the first one. Default 3. */
  readonly retries?: number;
  /** Wait before the first of them; each further wait is about twice as long. Default 1,000 ms. */
  readonly firstDelayMs?: number;
  /** Failures in a row that open the circuit. Default 5. */
  readonly failuresToOpen?: number;
  /** Time until one call may try whether the store is back. Default 30,000 ms. */
  readonly halfOpenAfterMs?: number;
  /** Told of every change, for logs and metrics. */
  readonly onState?: (state: CircuitStatus) => void;
}

export type CircuitStatus = 'closed' | 'open' | 'half-open';

export interface GuardedObjectStore extends ObjectStore {
  /** `open`: calls fail at once, without a try. */
  state(): CircuitStatus;
}

/**
 * The same store behind retries and a circuit breaker. Every try counts for the breaker, retried ones too. Refused
 * bytes and invalid keys are the caller's fault and neither retried nor counted. Signing needs no store and is not
 * guarded; a listing is guarded by its readers' own retries, because it is read in pages.
 */
export function guardObjectStore(store: ObjectStore, options: GuardOptions = {}): GuardedObjectStore {
  const { retries = 3, firstDelayMs = 1_000, failuresToOpen = 5, halfOpenAfterMs = 30_000, onState } = options;
  const storeFailures = handleWhen(
    (error) =>
      !(error instanceof ChecksumMismatch || error instanceof TypeError || error instanceof BrokenCircuitError),
  );
  const breaker = circuitBreaker(storeFailures, {
    halfOpenAfter: halfOpenAfterMs,
    breaker: new ConsecutiveBreaker(failuresToOpen),
  });
  const policy = wrap(
    retry(storeFailures, { maxAttempts: retries, backoff: new ExponentialBackoff({ initialDelay: firstDelayMs }) }),
    breaker,
  );
  if (onState)
    breaker.onStateChange((state) => {
      onState(nameOf(state));
    });

  return {
    put: (key, source, put) => guarded(() => store.put(key, source, put)),
    get: (key, range) => guarded(() => store.get(key, range)),
    head: (key) => guarded(() => store.head(key)),
    delete: (key) => guarded(() => store.delete(key)),
    list: (prefix, startAfter) => store.list(prefix, startAfter),
    presignUpload: (upload) => store.presignUpload(upload),
    presignDownload: (key, seconds) => store.presignDownload(key, seconds),
    close: () => store.close(),
    state: () => nameOf(breaker.state),
  };

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await policy.execute(() => work());
    } catch (error) {
      if (error instanceof BrokenCircuitError)
        throw new ObjectStoreUnavailable('The object store failed too often and is left alone for a while', {
          cause: error,
        });
      throw error;
    }
  }
}

function nameOf(state: CircuitState): CircuitStatus {
  switch (state) {
    case CircuitState.Closed:
      return 'closed';
    case CircuitState.HalfOpen:
      return 'half-open';
    case CircuitState.Open:
    case CircuitState.Isolated:
      return 'open';
    default:
      return state satisfies never;
  }
}
