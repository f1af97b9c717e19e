import { describe, expect, it } from 'vitest';
import { newId } from '../../../infra/ids.ts';
import { KeptOrders } from './order-cache.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const secondsLater = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000);
const [ann, ben] = [newId.account(), newId.account()];
const asked = (change: Partial<Parameters<KeptOrders['find']>[0]> = {}) => ({
  viewer: ann,
  page: 20,
  now: NOW,
  ...change,
});
const candidates = [{ id: newId.post(), score: NOW.getTime() }];
const order = {
  ranked: [{ id: candidates[0]?.id ?? '', recommended: false }],
  relaxedFrom: 1,
  quality: 'normal',
} as const;

describe('an order that was kept', () => {
  it('stands for the same viewer, list, page and wish, for most of half a minute and never for longer', () => {
    const orders = new KeptOrders();
    orders.keep(asked(), candidates, { mix: true, order });
    expect(orders.find(asked({ now: secondsLater(22.4) }), candidates, true)).toBe(order);
    expect(orders.find(asked({ viewer: ben }), candidates, true)).toBeUndefined();
    expect(orders.find(asked(), [...candidates], true)).toBeUndefined();
    expect(orders.find(asked({ page: 10 }), candidates, true)).toBeUndefined();
    expect(orders.find(asked(), candidates, false)).toBeUndefined();
    expect(orders.find(asked({ now: secondsLater(30) }), candidates, true)).toBeUndefined();
    expect(orders.find(asked({ now: secondsLater(-1) }), candidates, true)).toBeUndefined();
  });
});
