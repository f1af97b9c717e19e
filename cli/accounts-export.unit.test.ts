import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { documentText } from './accounts-export.ts';

const event = (number: number) => ({ number, text: 'with "quotes"\nand lines' });

async function* events(count: number, asked: number[] = []): AsyncIterable<object> {
  for (let number = 1; number <= count; number += 1) {
    asked.push(number);
    yield await Promise.resolve(event(number));
  }
}

describe('the document of an export', () => {
  it.each([[0], [1], [3]])('is the JSON of its head and all %i events', async (count) => {
    const expected = { account: { name: 'ann' }, events: [1, 2, 3].slice(0, count).map(event) };
    expect(JSON.parse(await text(documentText({ account: { name: 'ann' } }, events(count))))).toEqual(expected);
  });

  it('hands on each event before it asks for the next one', async () => {
    const asked: number[] = [];
    const pieces = documentText({}, events(3, asked))[Symbol.asyncIterator]();
    expect([(await pieces.next()).value, asked]).toEqual(['{\n  "events": [', []]);
    expect([(await pieces.next()).value, asked]).toEqual([expect.stringContaining('"number":1'), [1]]);
    expect([(await pieces.next()).value, asked]).toEqual([expect.stringContaining('"number":2'), [1, 2]]);
  });
});
