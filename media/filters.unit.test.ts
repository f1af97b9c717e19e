import { describe, expect, test } from 'vitest';
import { FILTER_NAMES, filterOperation } from './filters.ts';
import type { FilterName } from './filters.ts';

function apply(name: FilterName, colour: [number, number, number]): number[] {
  const { matrix, offset } = filterOperation(name);
  return matrix.map((row, channel) =>
    Math.round(row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2] + (offset[channel] ?? 0)),
  );
}

describe('filters', () => {
  test('moon leaves no colour', () => {
    const [red, green, blue] = apply('moon', [200, 40, 90]);
    expect(red).toBe(green);
    expect(green).toBe(blue);
  });

  test('clarendon darkens shadows, brightens lights and cools greys', () => {
    const [red, , blue] = apply('clarendon', [128, 128, 128]);
    expect(blue).toBeGreaterThan(red ?? 255);
    expect(apply('clarendon', [40, 40, 40])[0]).toBeLessThan(40);
    expect(apply('clarendon', [220, 220, 220])[2]).toBeGreaterThan(220);
  });

  test('gingham lifts black and dims white', () => {
    for (const channel of apply('gingham', [0, 0, 0])) expect(channel).toBeGreaterThan(20);
    for (const channel of apply('gingham', [255, 255, 255])) expect(channel).toBeLessThan(255);
  });

  test('lark brightens', () => {
    for (const channel of apply('lark', [100, 100, 100])) expect(channel).toBeGreaterThan(100);
  });

  test('juno warms', () => {
    const [red, , blue] = apply('juno', [128, 128, 128]);
    expect(red).toBeGreaterThan(blue ?? 255);
  });

  test('follows the steps of its formula', () => {
    // saturate 0.7, contrast 0.85, tint (230, 230, 250) by 0.12, by hand for red.
    const luma = 0.2126 * 200 + 0.7152 * 100 + 0.0722 * 50;
    const contrasted = (luma + 0.7 * (200 - luma) - 128) * 0.85 + 128;
    expect(apply('gingham', [200, 100, 50])[0]).toBe(Math.round(contrasted * 0.88 + 230 * 0.12));
  });

  test('every filter changes a mid colour in its own way', () => {
    const results = FILTER_NAMES.map((name) => apply(name, [150, 110, 80]).join());
    expect(new Set([...results, '150,110,80']).size).toBe(FILTER_NAMES.length + 1);
  });
});
