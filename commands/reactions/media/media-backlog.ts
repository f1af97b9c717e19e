import type { ImageOptions } from '../../../media/image-options.ts';
import type { MediaQueue } from './media-queue.ts';

/** How much is made of each picture while so many jobs wait; 0 is everything. */
const MODES: readonly { readonly mode: number; readonly above: number; readonly options: ImageOptions }[] = [
  { mode: 2, above: 500_000, options: { sizes: ['thumbnail', 'large'], quality: 'reduced', blurhash: false } },
  { mode: 1, above: 100_000, options: { sizes: ['thumbnail', 'large'] } },
];

/** What is made of a picture when `waiting` jobs wait: everything, or less so that the queue becomes shorter. */
export function optionsFor(waiting: number): ImageOptions {
  return MODES.find(({ above }) => waiting > above)?.options ?? {};
}

/**
 * The mode of `optionsFor` as a number, for metrics: 0 everything, 1 two sizes, 2 no blurhash and a lower quality too.
 */
export function modeFor(waiting: number): number {
  return MODES.find(({ above }) => waiting > above)?.mode ?? 0;
}

const LOOK_EVERY_MS = 5_000;

/** Follows how long the queue is, looking at most every five seconds. */
export function watchBacklog(
  queue: Pick<MediaQueue, 'waiting'>,
  now: () => number,
): { options(): Promise<ImageOptions> } {
  let known: { readonly at: number; readonly options: ImageOptions } | undefined;
  return {
    options: async () => {
      if (known === undefined || now() - known.at >= LOOK_EVERY_MS)
        known = { at: now(), options: optionsFor(await queue.waiting()) };
      return known.options;
    },
  };
}
