import { describe, expect, it } from 'vitest';
import { createPace } from './rate-limit.ts';

describe('a pace', () => {
  it('lets through at once what the rate allows, and the rest when its time has come', async () => {
    const clock = { now: 0 };
    const pace = createPace(1_000_000, () => clock.now);
    const order: string[] = [];
    await pace(10);
    const late = pace(10).then(() => order.push('after what came before'));
    order.push('at once');
    await late;
    expect(order).toEqual(['at once', 'after what came before']);
    clock.now = 1_000;
    await pace(10);
  });

  it('lets go of whoever is told to stop, and holds nobody else up for it', async () => {
    const pace = createPace(1, () => 0);
    const stop = new AbortController();
    await pace(0.01);
    const stopped = pace(10_000, stop.signal);
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    await pace(0.01);
  });
});
