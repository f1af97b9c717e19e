import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent, personal } from './event-definition.ts';

describe('declaring an event', () => {
  it('knows the personal fields, optional ones too', () => {
    const event = defineEvent({
      type: 'Told',
      says: 'Told.',
      subject: 'by',
      data: { by: z.string(), text: personal(z.string()), aside: personal(z.string()).optional() },
    });
    expect(event.personal).toEqual(['text', 'aside']);
  });

  it('is refused when personal fields have no subject whose key could seal them', () => {
    expect(() => defineEvent({ type: 'Told', says: 'Told.', data: { text: personal(z.string()) } })).toThrow(
      /no subject/,
    );
  });

  it('is refused when an older version has no upcaster', () => {
    expect(() => defineEvent({ type: 'Told', says: 'Told.', version: 2, data: { text: z.string() } })).toThrow(
      /upcasters/,
    );
    const lift = (data: Record<string, unknown>) => data;
    expect(() =>
      defineEvent({
        type: 'Told',
        says: 'Told.',
        version: 3,
        data: { text: z.string() },
        upcasters: [
          { from: 2, lift },
          { from: 1, lift },
        ],
      }),
    ).toThrow(/upcasters/);
  });
});
