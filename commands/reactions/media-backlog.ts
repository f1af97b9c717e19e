import type { Sql } from '../../infra/postgres.ts';
import type { ImageOptions } from '../../media/process-image.ts';
import { countJobs } from './media-jobs.ts';

/** How much is made of each picture while so many jobs wait. */
const MODES: readonly { readonly above: number; readonly options: ImageOptions }[] = [
  { above: 500_000, options: { sizes: ['thumbnail', 'large'], quality: 'reduced', blurhash: false } },
  { above: 100_000, options: { sizes: ['thumbnail', 'large'] } },
];

/** What is made of a picture when `waiting` jobs wait: everything, or less so that the queue becomes shorter. */
export function optionsFor(waiting: number): ImageOptions {
  return MODES.find(({ above }) => waiting > above)?.options ?? {};
}

const LOOK_EVERY_MS = 5_000;

/** Follows how long the queue is, looking at most every five seconds. */
export function watchBacklog(sql: Sql, now: () => number): { options(): Promise<ImageOptions> } {
  let known: { readonly at: number; readonly options: ImageOptions } | undefined;
  return {
    options: async () => {
      if (known === undefined || now() - known.at >= LOOK_EVERY_MS) known = { at: now(), options: optionsFor(await countJobs(sql)) };
      return known.options;
    },
  };
}
