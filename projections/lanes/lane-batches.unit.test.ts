import { describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../domain/event-log.ts';
import { StaleEpochError } from '../../infra/redis/redis-functions.ts';
import { createFeedHistory } from '../../testing/feed-history.ts';
import { LaneRounds } from './lane-batches.ts';

const { log } = createFeedHistory(new Date('2026-06-01T12:00:00.000Z'), 3);
const writer = (lane: number) => ({ lane, epoch: 1 });

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('rounds of lanes', () => {
  it('put the batches together that come in the same turn', async () => {
    const rounds: number[][] = [];
    const lanes = new LaneRounds(async (writers) => {
      rounds.push(writers.map(({ lane }) => lane));
    });
    await Promise.all([1, 2, 3].map((lane) => lanes.run(writer(lane), log)));
    expect(rounds).toEqual([[1, 2, 3]]);
  });

  it('go on with other lanes while one round takes long', async () => {
    const long = gate();
    const lanes = new LaneRounds(async (writers) => {
      if (writers.some(({ lane }) => lane === 1)) await long.opened;
    });
    const slow = lanes.run(writer(1), log);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    await lanes.run(writer(2), log);
    await lanes.run(writer(3), log);
    long.open();
    await slow;
  });

  it('tell each lane what its own events met, and all what concerns all', async () => {
    const [poison] = log;
    const failing = async (_: unknown, events: readonly DomainEvent[]) => {
      if (poison !== undefined && events.includes(poison)) throw new Error('poison');
    };
    const lanes = new LaneRounds(failing);
    const outcomes = await Promise.allSettled([
      lanes.run(writer(1), log.slice(0, 1)),
      lanes.run(writer(2), log.slice(1)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    const stale = new LaneRounds(async () => {
      throw new StaleEpochError('taken over');
    });
    const both = await Promise.allSettled([stale.run(writer(1), log), stale.run(writer(2), log)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('are given up together, each batch untried, when the lanes are closed', async () => {
    let tries = 0;
    const closing = new LaneRounds(async () => {
      tries += 1;
      AbortSignal.abort().throwIfAborted();
    });
    const outcomes = await Promise.allSettled([1, 2, 3].map((lane) => closing.run(writer(lane), log)));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(tries).toBe(1);
  });
});
