import { describe, expect, test } from 'vitest';
import { lastEnd, parsePackets, timelineOf } from './video-timeline.ts';
import type { Packet } from './video-timeline.ts';

const frames = (times: readonly number[], lengthSeconds: number | null = 0.04): Packet[] =>
  times.map((startSeconds) => ({ stream: 0, startSeconds, lengthSeconds, hidden: false }));
const even = (count: number, rate: number, start = 0) =>
  Array.from({ length: count }, (_, index) => Math.round((start + index / rate) * 1_000) / 1_000);

describe('packets', () => {
  test('are read from each line that is one, by the time of decoding where they tell no other', () => {
    expect(parsePackets('0,1.5,1.4,0.04,K__\n\n1,N/A,2.000000,N/A,_D_,\nside data\n')).toEqual([
      { stream: 0, startSeconds: 1.5, lengthSeconds: 0.04, hidden: false },
      { stream: 1, startSeconds: 2, lengthSeconds: null, hidden: true },
    ]);
  });

  test('end where the last one of any track ends', () => {
    expect(lastEnd([...frames([0, 1]), { stream: 1, startSeconds: 0.5, lengthSeconds: 3, hidden: false }])).toBe(3.5);
  });
});

describe('a timeline', () => {
  test('counts from the first frame that is shown to the end of the last, in whatever order they are stored', () => {
    const hidden: Packet = { stream: 0, startSeconds: 4.9, lengthSeconds: 0.04, hidden: true };
    const sound: Packet = { stream: 1, startSeconds: 0, lengthSeconds: 60, hidden: false };
    expect(timelineOf([hidden, sound, ...frames([5.08, 5, 5.04])], 0)).toMatchObject({
      startSeconds: 5,
      durationSeconds: expect.closeTo(0.12),
      framesPerSecond: expect.closeTo(25),
    });
  });

  test.each([
    [15, 15],
    [24_000 / 1_001, 24_000 / 1_001],
    [25, 25],
    [30_000 / 1_001, 30_000 / 1_001],
    [30, 30],
    [60, 60],
  ])('knows the rate of %f behind whole milliseconds', (rate, expected) => {
    expect(timelineOf(frames(even(200, rate), null), 0)?.framesPerSecond).toBeCloseTo(expected, 6);
  });

  test('has no rate when a frame is missing', () => {
    expect(timelineOf(frames(even(50, 25).toSpliced(20, 1)), 0)?.framesPerSecond).toBeNull();
  });

  test('takes the poster from a frame near the first second, and from the middle of what is shorter', () => {
    expect(timelineOf(frames(even(100, 25, 5)), 0)?.posterSeconds).toBeCloseTo(1);
    expect(timelineOf(frames(even(25, 25)), 0)?.posterSeconds).toBeCloseTo(0.48);
    expect(timelineOf(frames([7]), 0)).toMatchObject({ startSeconds: 7, durationSeconds: 0.04, posterSeconds: 0 });
  });

  test('is none without a frame that is shown', () => {
    expect(timelineOf([{ stream: 1, startSeconds: 0, lengthSeconds: 1, hidden: false }], 0)).toBeNull();
  });
});
