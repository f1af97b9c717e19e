import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { positionOf } from './event-store-positions.ts';
import { readPosition, shownPosition } from './position-text.ts';

describe('a position as people see it', () => {
  it('is a short decimal number, or two where they differ', () => {
    expect(shownPosition('0000000000000a1f0000000000000a1f')).toBe('2591');
    expect(shownPosition('0000000000000a1f0000000000000a00')).toBe('2591/2560');
    expect(shownPosition('0'.repeat(32))).toBe('0');
  });

  it('reads back as the same place, in either form', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.option(fc.bigInt(0n, 2n ** 64n - 1n)), (commit, other) => {
        const position = positionOf({ commit, prepare: other ?? commit });
        expect(readPosition(shownPosition(position))).toBe(position);
        expect(readPosition(position)).toBe(position);
      }),
    );
  });

  it.each(['', '-1', '1/', '1/2/3', '18446744073709551616', '1e3', 'abc', '2026-01-31', 'A'.repeat(32)])(
    '%s is none',
    (text) => {
      expect(readPosition(text)).toBeUndefined();
    },
  );

  it('is left as it is when it is no position', () => {
    expect(shownPosition('nowhere')).toBe('nowhere');
  });
});
