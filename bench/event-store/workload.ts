import { randomUUID } from 'node:crypto';

/** About 300 bytes of JSON, the size of the product's own events. */
export function eventData(): Record<string, string | number> {
  return {
    postId: `post_${randomUUID()}`,
    accountId: `acc_${randomUUID()}`,
    at: '2026-01-01T12:00:00.000Z',
    likes: 12,
    caption:
      'The light over the harbour was never quite like this again, so here it is, unedited and a little too blue.',
  };
}

/** Appends per second: the work runs in `writers` loops for `seconds`, after a warm-up that does not count. */
export async function measureRate(writers: number, seconds: number, work: () => Promise<unknown>): Promise<number> {
  const warmUpMs = 1_000;
  let done = 0;
  const start = performance.now();
  const end = start + warmUpMs + seconds * 1_000;
  let counted = 0;
  let countingSince = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() < end) {
      await work();
      done++;
      if (countingSince === 0 && performance.now() - start >= warmUpMs) {
        countingSince = performance.now();
        counted = done;
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, loop));
  return (done - counted) / ((performance.now() - countingSince) / 1_000);
}
