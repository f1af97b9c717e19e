import { describe, expect, it } from 'vitest';
import { levelAt, watchBackpressure } from './backpressure.ts';
import type { FanOutLevel } from '../lane-projection.ts';

const LIMITS = { alert: 100, active: 500, none: 1_000 };

describe('the level of fan-out', () => {
  it('falls with the lag, and after fan-out stopped rises only once the lag is below the alert', () => {
    const lags = [0, 101, 501, 500, 1_001, 999, 501, 100, 99, 600, 0];
    const levels: FanOutLevel[] = [];
    for (const lag of lags) levels.push(levelAt(lag, levels.at(-1) ?? 'all', LIMITS));
    expect(levels).toEqual(['all', 'all', 'active', 'all', 'none', 'none', 'none', 'none', 'all', 'active', 'all']);
  });

  it("stays as it was while nobody knows the lag, and is each projection's own", () => {
    const lags = new Map<string, number>([
      ['home-feed', 2_000],
      ['story-tray', 3],
    ]);
    const levelOf = watchBackpressure({ limits: LIMITS, lagOf: (name) => lags.get(name) }, []);
    expect(levelOf('home-feed')).toBe('none');
    expect(levelOf('story-tray')).toBe('all');
    lags.clear();
    expect(levelOf('home-feed')).toBe('none');
  });

  it('is what an operator says, whatever the lag', () => {
    expect(watchBackpressure({ limits: LIMITS, forced: 'active', lagOf: () => 5_000 }, [])('home-feed')).toBe('active');
  });
});
