/** Tells waiting subscriptions that something new is durable. A waiter is woken once; it then looks for itself. */
export class CommitSignal {
  readonly #any = new Set<() => void>();
  readonly #byStream = new Map<string, Set<() => void>>();

  /**
   * Calls `wake` once after the next commit, or the next one that touches `streamName`. Returns how to give up waiting.
   */
  once(streamName: string | undefined, wake: () => void): () => void {
    const waiters = streamName === undefined ? this.#any : this.#ofStream(streamName);
    waiters.add(wake);
    return () => {
      waiters.delete(wake);
      if (streamName !== undefined && waiters.size === 0) this.#byStream.delete(streamName);
    };
  }

  /** Wakes everyone who waits for these streams or for any commit. */
  notify(streamNames: Iterable<string>): void {
    const woken = [...this.#any];
    this.#any.clear();
    for (const name of streamNames) {
      woken.push(...(this.#byStream.get(name) ?? []));
      this.#byStream.delete(name);
    }
    for (const wake of woken) wake();
  }

  #ofStream(streamName: string): Set<() => void> {
    const waiters = this.#byStream.get(streamName) ?? new Set();
    this.#byStream.set(streamName, waiters);
    return waiters;
  }
}
