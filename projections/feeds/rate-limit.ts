import { setTimeout as delay } from 'node:timers/promises';
import type { Pace } from '../lane-projection.ts';

/** Lets through so many deliveries a second on average; whoever comes too early waits, in the order of the calls. */
export function createPace(perSecond: number, clock: () => number = () => performance.now()): Pace {
  let freeAt = 0;
  return async (deliveries, signal) => {
    const now = clock();
    const begins = Math.max(now, freeAt);
    const takesMs = (deliveries * 1_000) / perSecond;
    freeAt = begins + takesMs;
    if (begins <= now) return;
    try {
      await delay(begins - now, undefined, { signal });
    } catch (error) {
      // What is not delivered holds nobody else up.
      freeAt -= takesMs;
      throw error;
    }
  };
}
