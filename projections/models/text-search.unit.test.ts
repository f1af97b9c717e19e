import { describe, expect, it } from 'vitest';
import { containing, searchable, startingWith } from './text-search.ts';

describe('searchable', () => {
  it('folds case, accents, widths and blanks', () => {
    expect(searchable('  Zoé   MÜLLER ｆｕｌｌ ')).toBe('zoe muller full');
  });
});

describe('patterns', () => {
  it('take wildcards of the text literally', () => {
    expect(containing('50%_\\')).toBe('%50\\%\\_\\\\%');
    expect(startingWith('a')).toBe('a%');
  });
});
