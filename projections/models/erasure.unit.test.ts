import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFeedHistory } from '../../testing/feed-history.ts';
import { postgresProjections } from '../catalog.ts';
import { beforeErasures } from './erasure.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const wish = fc.record({ does: fc.nat(19), who: fc.nat(5), whom: fc.nat(5), which: fc.nat(47) });

describe('what comes behind an erasure', () => {
  it('is left out wherever the batches are cut, if it names the erased account, and nothing else is', () => {
    let left = 0;
    fc.assert(
      fc.property(
        fc.array(wish, { minLength: 20, maxLength: 80 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        (wishes, cuts) => {
          const history = createFeedHistory(NOW, 5);
          for (const one of wishes) history.wish(one);
          const erasedAt = new Map(
            history.log.flatMap((event, at) =>
              event.type === 'AccountErased' ? [[String(event.data.accountId), at] as const] : [],
            ),
          );
          const expected = history.log.filter((event, at) =>
            Object.values(event.data).every((value) => (erasedAt.get(String(value)) ?? at) >= at),
          );
          left += history.log.length - expected.length;

          const erased: string[] = [];
          const found = [];
          for (let start = 0, cut = 0; start < history.log.length; cut += 1) {
            const size = cuts[cut % cuts.length]!;
            const { effective, erasedNow } = beforeErasures(history.log.slice(start, start + size), erased);
            erased.push(...erasedNow);
            found.push(...effective);
            start += size;
          }
          expect(found).toEqual(expected);
        },
      ),
    );
    expect(left).toBeGreaterThan(0);
  });

  it('is known to every model but that of the accounts themselves, whose rows say who is erased', () => {
    const without = postgresProjections.filter(({ tables }) => !tables.some(({ table }) => table === 'erased_account'));
    expect(without.map(({ name }) => name)).toEqual(['accounts']);
    for (const { handles } of postgresProjections) expect(handles).toContain('AccountErased');
  });
});
