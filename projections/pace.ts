import { setTimeout as delay } from 'node:timers/promises';

/** Waits until so many more deliveries may be made. */
export type Pace = (deliveries: number) => Promise<void>;

/** Lets through so many deliveries a second on average; whoever comes too early waits, in the order of the calls. */
export function createPace(perSecond: number, clock: () => number = () => performance.now()): Pace {
  let freeAt = 0;
  return async (deliveries) => {
    const now = clock();
    const begins = Math.max(now, freeAt);
    freeAt = begins + deliveries * 1_000 / perSecond;
    if (begins > now) await delay(begins - now);
  };
}
