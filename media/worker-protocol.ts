import { z } from 'zod';
import { FILTER_NAMES } from './filters.ts';
import type { ProcessedImage } from './process-image.ts';
import type { ImageOptions } from './image-options.ts';
import type { MediaRefusal } from './refusal.ts';
import { ALL_NAMES } from './variants.ts';

/** Bytes in memory, or a file that the worker may read. */
export type ImageInput = Uint8Array | { readonly path: string };

export type ProcessResult = ProcessedImage | MediaRefusal;

/** What the pool sends to a worker: one picture at a time. */
export interface WorkerJob {
  readonly id: number;
  readonly input: ImageInput;
  readonly options: ImageOptions;
}

/** What a worker answers. `failed` is this server's fault, never the picture's. */
export type WorkerAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly result: ProcessResult }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

/** Exit code of a worker that took more memory than it may. */
export const OUT_OF_MEMORY_EXIT = 86;

/** Start arguments of a worker, as JSON in its one argument. */
export const workerSettings = z.object({ maxRssBytes: z.number().int().positive() });

/** Checks a job on the worker's side of the pipe. */
export const workerJob = z.object({
  id: z.number().int(),
  input: z.union([z.instanceof(Uint8Array), z.object({ path: z.string() })]),
  options: z.object({
    declaredType: z.string().exactOptional(),
    filter: z.enum(FILTER_NAMES).exactOptional(),
    sizes: z.array(z.enum(ALL_NAMES)).exactOptional(),
    format: z.enum(['webp', 'avif', 'jpeg']).exactOptional(),
    quality: z.enum(['normal', 'reduced']).exactOptional(),
    blurhash: z.boolean().exactOptional(),
  }),
});

/** Checks the envelope of an answer; the result inside was made by our own code and is taken at its word. */
export const workerAnswer: z.ZodType<WorkerAnswer> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({
    kind: z.literal('done'),
    id: z.number().int(),
    result: z.custom<ProcessResult>((value) => typeof value === 'object' && value !== null && 'ok' in value),
  }),
  z.object({ kind: z.literal('failed'), id: z.number().int(), message: z.string() }),
]);
