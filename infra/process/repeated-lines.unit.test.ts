import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RepeatedLines } from './repeated-lines.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function lines() {
  const written: string[] = [];
  const repeated = new RepeatedLines();
  return {
    written,
    note: (kind: string, detail = '') => {
      repeated.note(kind, (count) => {
        written.push(`${kind}${detail} ${String(count)}`);
      });
    },
  };
}

describe('lines about what happens again and again', () => {
  it('come at once for the first, then once a second with a count, until a second passes without any', () => {
    const { written, note } = lines();
    for (let n = 0; n < 500; n += 1) note('away');
    expect(written).toEqual(['away 1']);
    vi.advanceTimersByTime(1_000);
    expect(written).toEqual(['away 1', 'away 499']);
    note('away');
    vi.advanceTimersByTime(1_000);
    expect(written).toEqual(['away 1', 'away 499', 'away 1']);
    vi.advanceTimersByTime(1_000);
    note('away');
    expect(written).toEqual(['away 1', 'away 499', 'away 1', 'away 1']);
  });

  it('are kept apart by kind, and tell of the last one', () => {
    const { written, note } = lines();
    note('away', ' first');
    note('denied');
    note('away', ' second');
    note('away', ' third');
    vi.advanceTimersByTime(1_000);
    expect(written).toEqual(['away first 1', 'denied 1', 'away third 2']);
  });
});
