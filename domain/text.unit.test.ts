import { expect, it } from 'vitest';
import { boundedText } from './text.ts';

const five = boundedText(5);

it.each([
  ['letters', 'abcde'],
  ['emoji, each of two units', '📷📷📷📷📷'],
  ['nothing', ''],
])('takes as many code points as allowed: %s', (_what, text) => {
  expect(five.safeParse(text).success).toBe(true);
});

it.each([
  ['one too many', 'abcdef'],
  ['one emoji too many', '📷📷📷📷📷📷'],
  ['a zero character', 'a\u0000b'],
  ['half of a pair', 'a\ud800'],
])('refuses %s', (_what, text) => {
  expect(five.safeParse(text).success).toBe(false);
});
