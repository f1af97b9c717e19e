import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nestsDeeper } from './json-depth.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

describe('nestsDeeper', () => {
  it('says of any JSON what counting its levels says', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 7 }), (value, limit) => {
        expect(nestsDeeper(bytes(JSON.stringify(value)), limit)).toBe(depthOf(value) > limit);
      }),
    );
  });

  it('does not count brackets in texts, however quotes are escaped', () => {
    expect(nestsDeeper(bytes(JSON.stringify({ text: '[[[[ "{{{{ \\' })), 1)).toBe(false);
  });

  it('has an answer for a text that no parser could read', () => {
    expect(nestsDeeper(bytes('['.repeat(1_000_000)))).toBe(true);
    expect(nestsDeeper(bytes('"[[['), 1)).toBe(false);
  });
});
