/**
 * Runs `work` over all items with at most `width` at once, in order of starting. The first failure stops new work,
 * waits for what runs, and is thrown. `signal` stops it the same way.
 */
export async function inParallel<T>(
  items: readonly T[],
  options: { width: number; signal: AbortSignal; onDone: (done: number) => void },
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let done = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (failure === undefined && !options.signal.aborted && next < items.length) {
      const index = next;
      next += 1;
      const item = items[index];
      if (item === undefined) continue;
      try {
        await work(item, index);
        done += 1;
        options.onDone(done);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: options.width }, worker));
  if (failure !== undefined) throw failure.error;
  options.signal.throwIfAborted();
}
