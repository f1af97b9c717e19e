import { describe, expect, it } from 'vitest';
import { negotiate } from './negotiation.ts';

const webp = { content_type: 'image/webp' };
const avif = { content_type: 'image/avif' };
const jpeg = { content_type: 'image/jpeg' };

describe('negotiate', () => {
  it('picks the best packed format that the client names', () => {
    expect(negotiate('image/avif,image/webp,*/*;q=0.8', [webp, jpeg, avif])).toBe(avif);
    expect(negotiate('image/jpeg', [webp, jpeg, avif])).toBe(jpeg);
    expect(negotiate('image/avif;q=0, image/webp', [jpeg, avif, webp])).toBe(webp);
  });

  it('gives the asked-for file when the client names none of the formats', () => {
    for (const accept of [undefined, '*/*', 'text/html']) expect(negotiate(accept, [webp, avif])).toBe(webp);
  });
});
