import { describe, expect, it } from 'vitest';
import { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { Portion } from '../../infra/event-store/event-store.ts';
import { gather } from './batching.ts';

const event = (n: number, text = ''): RecordedEvent => ({
  streamId: 's',
  revision: BigInt(n),
  position: Position.parse(n.toString(16).padStart(32, '0')),
  id: String(n),
  type: 'T',
  data: { text },
  metadata: {},
  createdAt: new Date(n),
});

type Source = AsyncGenerator<Portion>;

/** In portions of one to three events. */
async function* source(count: number, text?: string): Source {
  const all = Array.from({ length: count }, (_, i) => event(i + 1, text));
  for (let at = 0, size = 1; at < count; at += size, size = 1 + (at % 3)) {
    const [first, ...others] = all.slice(at, at + size);
    if (first !== undefined) yield [first, ...others];
  }
}

describe('gather', () => {
  it('gives every event once, in order, in groups of at most the limit', async () => {
    const groups: number[][] = [];
    for await (const group of gather(source(100), { events: 7, bytes: 1e9 }))
      groups.push(group.map(({ revision }) => Number(revision)));
    expect(groups.flat()).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
    expect(Math.max(...groups.map((group) => group.length))).toBe(7);
  });

  it('bounds a group by its size in bytes too', async () => {
    const sizes: number[] = [];
    for await (const group of gather(source(50, 'x'.repeat(10_000)), { events: 1_000, bytes: 40_000 }))
      sizes.push(group.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
  });

  it('passes a single live event on without waiting for another', async () => {
    let more: (() => void) | undefined;
    async function* live(): Source {
      yield [event(1)];
      await new Promise<void>((resolve) => {
        more = resolve;
      });
      yield [event(2)];
    }
    const groups = gather(live(), { events: 10, bytes: 1e9 });
    expect((await groups.next()).value).toHaveLength(1);
    more?.();
    expect((await groups.next()).value).toHaveLength(1);
    expect((await groups.next()).done).toBe(true);
  });

  it('gathers what arrives while the consumer is busy', async () => {
    const groups = gather(source(30), { events: 100, bytes: 1e9 });
    const first = await groups.next();
    await new Promise((resolve) => setImmediate(resolve));
    const second = await groups.next();
    expect((first.value?.length ?? 0) + (second.value?.length ?? 0)).toBe(30);
  });

  it('hands over what was read before the source failed, then fails', async () => {
    async function* broken(): Source {
      yield [event(1)];
      yield [event(2)];
      throw new Error('the subscription broke');
    }
    const seen: bigint[] = [];
    const run = async () => {
      for await (const group of gather(broken(), { events: 10, bytes: 1e9 }))
        seen.push(...group.map(({ revision }) => revision));
    };
    await expect(run()).rejects.toThrow('the subscription broke');
    expect(seen).toEqual([1n, 2n]);
  });

  it('reads no further ahead than the limits when the consumer is slow', async () => {
    let read = 0;
    async function* counted(): Source {
      for (read = 1; read <= 1_000; read += 1) yield [event(read)];
    }
    const groups = gather(counted(), { events: 10, bytes: 1e9 });
    await groups.next();
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(read).toBeLessThanOrEqual(21);
    await groups.return(undefined);
  });
});
