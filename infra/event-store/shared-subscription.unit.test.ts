import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Position, START_OF_LOG } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { shareSubscriptions, type Subscribe } from './shared-subscription.ts';

const placeOf = (n: number) => Position.parse(n.toString(16).padStart(32, '0'));
const event = (n: number): RecordedEvent => ({
  streamId: 's',
  revision: BigInt(n),
  position: placeOf(n),
  id: String(n),
  type: 'T',
  data: {},
  metadata: {},
  createdAt: new Date(n),
});
const upTo = (n: number, after = 0) => Array.from({ length: n - after }, (_, i) => after + i + 1);

/**
 * A log that grows when told to, and knows who reads it: `opened` has the place that each subscription began behind,
 * and `sizeOf` by it how many events come at once.
 */
function growingLog(length: number, sizeOf: (begin: number) => number = () => 1) {
  const opened: number[] = [];
  const waiting = new Set<() => void>();
  let head = length;
  let open = 0;
  let failure: Error | undefined;
  const wakeAll = () => {
    for (const wake of waiting) wake();
  };
  const subscribe: Subscribe = async function* ({ after, signal }) {
    const begin = parseInt(after, 16);
    opened.push(begin);
    open += 1;
    signal.addEventListener('abort', wakeAll);
    try {
      for (let n = begin + 1; !signal.aborted;) {
        if (failure !== undefined) throw failure;
        if (n <= head) {
          const last = Math.min(head, n + sizeOf(begin) - 1);
          yield [event(n), ...upTo(last, n).map(event)];
          n = last + 1;
        } else {
          await new Promise<void>((resolve) => {
            waiting.add(resolve);
          });
        }
      }
    } finally {
      open -= 1;
    }
  };
  return {
    subscribe,
    opened,
    isOpen: () => open,
    append: (count: number) => {
      head += count;
      wakeAll();
    },
    fail: (error: Error) => {
      failure = error;
      wakeAll();
    },
  };
}

/** Reads one after the other, as far as a test says. */
function reader(subscribe: Subscribe, after = 0) {
  const stop = new AbortController();
  const events = subscribe({ after: after === 0 ? START_OF_LOG : placeOf(after), signal: stop.signal })[
    Symbol.asyncIterator
  ]();
  const taken: number[] = [];
  const next = async () => {
    if (taken.length === 0) {
      const { done, value } = await events.next();
      if (done !== true) taken.push(...value.map(({ revision }) => Number(revision)));
    }
    return taken.shift();
  };
  const some = async (count: number) => {
    const seen: (number | undefined)[] = [];
    for (let i = 0; i < count; i += 1) seen.push(await next());
    return seen;
  };
  return {
    next,
    some,
    stop: () => {
      stop.abort();
    },
    leave: async () => {
      await events.return?.();
    },
  };
}

const settled = async () => {
  for (let i = 0; i < 20; i += 1) await nextTurn();
};

describe('shareSubscriptions', () => {
  it('reads the log once for all that follow it from about the same place, each getting every event once', async () => {
    const log = growingLog(100);
    const shared = shareSubscriptions(log.subscribe);
    const [one, other] = [reader(shared), reader(shared)];
    expect(await one.some(60)).toEqual(upTo(60));
    expect(await other.some(100)).toEqual(upTo(100));
    const late = reader(shared, 30);
    expect(await late.some(70)).toEqual(upTo(100, 30));
    log.append(5);
    expect(await Promise.all([one.some(45), other.some(5), late.some(5)])).toEqual([
      upTo(105, 60),
      upTo(105, 100),
      upTo(105, 100),
    ]);
    expect(log.opened).toEqual([0]);
  });

  it('wakes all that wait at the end of the log when an event comes', async () => {
    const log = growingLog(0);
    const shared = shareSubscriptions(log.subscribe);
    const waiting = Promise.all([reader(shared).next(), reader(shared).next()]);
    await settled();
    log.append(1);
    expect(await waiting).toEqual([1, 1]);
  });

  it('reads ahead of whoever is first no further than it may', async () => {
    const log = growingLog(1_000);
    let read = 0;
    const counting: Subscribe = async function* (from) {
      for await (const one of log.subscribe(from)) {
        read += 1;
        yield one;
      }
    };
    const one = reader(shareSubscriptions(counting, { behind: 100, kept: 10, ahead: 20, portion: 1 }));
    await one.some(50);
    await settled();
    expect(read).toBeGreaterThanOrEqual(50);
    expect(read).toBeLessThanOrEqual(71);
  });

  it('lets none wait for one that is far behind, which reads alone and joins the others again', async () => {
    const log = growingLog(100);
    const shared = shareSubscriptions(log.subscribe, { behind: 20, kept: 5, ahead: 4, portion: 1 });
    const [quick, slow] = [reader(shared), reader(shared)];
    expect(await slow.some(3)).toEqual(upTo(3));
    expect(await quick.some(100)).toEqual(upTo(100));
    expect(await slow.some(97)).toEqual(upTo(100, 3));
    expect(log.opened).toEqual([0, 3]);
    log.append(20);
    expect(await Promise.all([slow.some(20), quick.some(20)])).toEqual([upTo(120, 100), upTo(120, 100)]);
    expect(log.opened).toEqual([0, 3]);
    expect(log.isOpen()).toBe(1);
  });

  it('lets one join that reads alone much at once, also when that ends beyond what the others have read', async () => {
    const log = growingLog(100, (begin) => (begin === 0 ? 60 : 10));
    const shared = shareSubscriptions(log.subscribe, { behind: 100, kept: 10, ahead: 4, portion: 1 });
    const quick = reader(shared, 20);
    expect(await quick.some(1)).toEqual([21]);
    await settled();
    const other = reader(shared);
    expect(await other.some(100)).toEqual(upTo(100));
    expect(await quick.some(79)).toEqual(upTo(100, 21));
    expect(log.opened).toEqual([20, 0]);
    expect(log.isOpen()).toBe(1);
  });

  it('lets one join that waits alone at the head, though the log tells it of each event before the others', async () => {
    const log = growingLog(100);
    const shared = shareSubscriptions(log.subscribe, { behind: 20, kept: 5, ahead: 4, portion: 1 });
    const [quick, slow] = [reader(shared), reader(shared)];
    await slow.some(3);
    await quick.some(60);
    await slow.some(10);
    await quick.leave();
    await settled();
    await slow.some(87);
    const waiting = slow.next();
    await settled();
    const fresh = reader(shared, 90);
    expect(await fresh.some(10)).toEqual(upTo(100, 90));
    await settled();
    log.append(1);
    expect(await Promise.all([waiting, fresh.next()])).toEqual([101, 101]);
    log.append(1);
    expect(await Promise.all([slow.next(), fresh.next()])).toEqual([102, 102]);
    await settled();
    expect(log.isOpen()).toBe(1);
  });

  it('lets go of the log also when much comes from it just after the last has left', async () => {
    const gate = Promise.withResolvers<undefined>();
    let letGo = false;
    const late: Subscribe = async function* () {
      try {
        yield [event(1)];
        await gate.promise;
        yield [event(2), ...upTo(20, 2).map(event)];
      } finally {
        letGo = true;
      }
    };
    const one = reader(shareSubscriptions(late, { behind: 20, kept: 5, ahead: 4, portion: 1 }));
    expect(await one.next()).toBe(1);
    await one.leave();
    gate.resolve(undefined);
    await settled();
    expect(letGo).toBe(true);
  });

  it('does not hold one up that begins ahead of the others', async () => {
    const log = growingLog(1_000);
    const shared = shareSubscriptions(log.subscribe, { behind: 20, kept: 5, ahead: 4, portion: 1 });
    expect(await reader(shared).some(2)).toEqual([1, 2]);
    expect(await reader(shared, 900).some(100)).toEqual(upTo(1_000, 900));
    expect(log.opened).toEqual([0, 900]);
  });

  it('ends for one alone when that one is told to stop, also while it waits, and lets go of the log with the last', async () => {
    const log = growingLog(2);
    const shared = shareSubscriptions(log.subscribe);
    const [one, other] = [reader(shared), reader(shared)];
    await Promise.all([one.some(2), other.some(2)]);
    const ended = one.next();
    await settled();
    one.stop();
    expect(await ended).toBeUndefined();
    log.append(1);
    expect(await other.next()).toBe(3);
    await other.leave();
    await settled();
    expect(log.isOpen()).toBe(0);
    expect(await reader(shared, 1).some(2)).toEqual([2, 3]);
    expect(log.opened).toEqual([0, 1]);
  });

  it('gives all of them the error when the reading breaks, behind the events that came before, and begins anew for the next', async () => {
    const log = growingLog(3);
    const shared = shareSubscriptions(log.subscribe);
    const [one, other] = [reader(shared), reader(shared)];
    await one.some(3);
    await other.next();
    const broken = expect(one.next()).rejects.toThrow('gone');
    await settled();
    log.fail(new Error('gone'));
    await broken;
    expect(await other.some(2)).toEqual([2, 3]);
    await expect(other.next()).rejects.toThrow('gone');
    await expect(reader(shared, 3).next()).rejects.toThrow('gone');
    expect(log.opened).toEqual([0, 3]);
  });
});
