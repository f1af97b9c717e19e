import { describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../domain/event-log.ts';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { createFeedHistory } from '../../testing/feed-history.ts';
import { LaneWorker, type WorkerDeps } from './lane-worker.ts';

const { log } = createFeedHistory(new Date('2026-06-01T12:00:00.000Z'), 5);
const positions = log.map(({ position }) => position);

/** Models that come to a place when the test says so. */
function modelsAtWill() {
  let place: Position = START_OF_LOG;
  let wake: (() => void) | undefined;
  const asked: Position[] = [];
  const whenModelsPassed = async (first: Position) => {
    asked.push(first);
    while (place < first)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return place;
  };
  const comeTo = (position: Position) => {
    place = position;
    wake?.();
  };
  return { asked, whenModelsPassed, comeTo };
}

function workerOn(deps: Pick<WorkerDeps, 'whenModelsPassed' | 'apply'> & Partial<WorkerDeps>): LaneWorker {
  const worker = new LaneWorker(
    {
      registerAgain: async () => undefined,
      onOutage: () => undefined,
      park: async () => false,
      signal: new AbortController().signal,
      ...deps,
    },
    { lane: 1, epoch: 1, position: START_OF_LOG },
  );
  for (const event of log)
    worker.push({
      recorded: { id: event.id, type: event.type, streamId: event.streamId, position: event.position },
      event,
    });
  return worker;
}

describe('a lane', () => {
  it('works on what the models have passed while they work on the rest', async () => {
    const { asked, whenModelsPassed, comeTo } = modelsAtWill();
    const applied: number[] = [];
    const third = positions[2] ?? START_OF_LOG;
    const worker = workerOn({
      whenModelsPassed,
      apply: async (_, events: readonly DomainEvent[]) => {
        applied.push(events.length);
        if (applied.length > 1) return;
        expect(events.map(({ position }) => position)).toEqual(positions.slice(0, 3));
        expect(worker.position).toBe(START_OF_LOG);
        comeTo(positions.at(-1) ?? START_OF_LOG);
      },
    });
    comeTo(third);
    await worker.work();
    expect(applied).toEqual([3, log.length - 3]);
    expect(asked).toEqual([positions[0], positions[3]]);
    expect(worker.position).toBe(positions.at(-1));
  });

  it('touches no event before the models have passed it', async () => {
    const { whenModelsPassed, comeTo } = modelsAtWill();
    const applied: Position[] = [];
    const worker = workerOn({
      whenModelsPassed,
      apply: async (_, events) => {
        applied.push(...events.map(({ position }) => position));
      },
    });
    const working = worker.work();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(applied).toEqual([]);
    comeTo(positions.at(-1) ?? START_OF_LOG);
    await working;
    expect(applied).toEqual(positions);
  });

  it('says that a server was away before it tries again', async () => {
    const { whenModelsPassed, comeTo } = modelsAtWill();
    comeTo(positions.at(-1) ?? START_OF_LOG);
    const happened: string[] = [];
    const worker = workerOn({
      whenModelsPassed,
      onOutage: () => {
        happened.push('outage');
      },
      apply: async () => {
        happened.push('try');
        if (happened.length === 1) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      },
    });
    await worker.work();
    expect(happened).toEqual(['try', 'outage', 'try']);
  });
});
