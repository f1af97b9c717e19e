import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Position } from '../../domain/position.ts';
import { decodeToken, encodeToken, joinTokens, type ConsistencyToken } from './consistency-token.ts';
import { newId } from '../ids.ts';

const STORE = '11111111-1111-4111-8111-111111111111';
const at = (n: number) => Position.parse(n.toString(16).padStart(32, '0'));
const token = (n: number, owners: ConsistencyToken['owners'] = []): ConsistencyToken => ({
  storeId: STORE,
  position: at(n),
  owners,
});

describe('a consistency token', () => {
  it('comes back as it was, through a text that fits into a comma-separated header', () => {
    const original = token(7, [newId.account(), newId.post()]);
    const text = encodeToken(original);
    expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(decodeToken(text)).toEqual(original);
  });

  it('is ignored when it is malformed, whatever a client sends', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.json().map((json) => Buffer.from(json).toString('base64url')),
        ),
        (text) => {
          expect(decodeToken(text)).toBeUndefined();
        },
      ),
    );
    expect(decodeToken(encodeToken(token(1)).slice(0, -3))).toBeUndefined();
    expect(decodeToken('x'.repeat(10_000))).toBeUndefined();
  });

  it('joins others: the latest position, the owners of all', () => {
    const [one, two] = [newId.account(), newId.account()];
    expect(joinTokens([token(3, [one]), token(9, [two, one]), token(5)])).toEqual(token(9, [one, two]));
    expect(joinTokens([])).toBeUndefined();
  });

  it('drops the tokens of another log than the first', () => {
    const foreign: ConsistencyToken = {
      storeId: '22222222-2222-4222-8222-222222222222',
      position: at(99),
      owners: [newId.account()],
    };
    expect(joinTokens([token(3), foreign])).toEqual(token(3));
  });

  it('stays short however many tokens it joins', () => {
    const joined = joinTokens(Array.from({ length: 500 }, (_, n) => token(n, [newId.account()])));
    expect(joined?.owners).toBe('all');
    expect(decodeToken(encodeToken(joined!))).toEqual(token(499, 'all'));
  });
});
