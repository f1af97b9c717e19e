import { describe, expect, it } from 'vitest';
import { parseLimits } from './stream-metadata.ts';
import { DELETED, NO_LIMITS } from '../stream-state.ts';
import type { StreamLimits } from '../stream-state.ts';

const limits = (json: string): StreamLimits => parseLimits(Buffer.from(json), true);

describe('the limits that metadata sets', () => {
  it.each<[string, Partial<StreamLimits>]>([
    ['{"$maxCount":3,"$maxAge":60,"$tb":7}', { maxCount: 3, maxAgeMs: 60_000, truncateBefore: 7 }],
    [
      '{"$maxCount":3,"$acl":{"$r":"$all","$w":["a","b"],"$d":[]},"$tmp":false,"$cacheControl":1,"own":1.5}',
      { maxCount: 3 },
    ],
    ['{"$maxCount":0,"$tb":2}', { truncateBefore: 2 }],
    ['{"$maxCount":-1,"$maxAge":-5,"$tb":-2}', {}],
    ['{"$maxCount":-1,"$tb":2}', { truncateBefore: 2 }],
    ['{"$tb":9223372036854775807}', { truncateBefore: DELETED }],
    ['{"$tb":9223372036854775806}', { truncateBefore: Number.MAX_SAFE_INTEGER }],
    ['{}', {}],
  ])('%s are those that it names', (json, expected) => {
    expect(limits(json)).toEqual({ ...NO_LIMITS, ...expected });
  });

  it.each([
    '{"$tb":2,"$maxCount":1.5}',
    '{"$tb":2,"$maxCount":1.0}',
    '{"$tb":2,"$maxCount":1e1}',
    '{"$tb":2,"$maxCount":"1"}',
    '{"$tb":2,"$maxCount":null}',
    '{"$tb":9223372036854775808}',
    '{"$tb":2,"$maxAge":0.5}',
    '{"$tb":2,"$maxAge":922337203686}',
    '{"$tb":2,"$cacheControl":"long"}',
    '{"$tb":2,"$tmp":1}',
    '{"$tb":2,"$acl":"$all"}',
    '{"$tb":2,"$acl":{"$r":1}}',
    '{"$tb":2,"$acl":{"$w":["a",1]}}',
    '{"$tb":2,"$acl":[]}',
    '[{"$tb":2}]',
    '2',
    '',
    '{"$tb":2',
  ])('%s are none: one odd value spoils the whole', (json) => {
    expect(limits(json)).toEqual(NO_LIMITS);
  });

  it('are none where the data is not called JSON', () => {
    expect(parseLimits(Buffer.from('{"$tb":2}'), false)).toEqual(NO_LIMITS);
  });
});
