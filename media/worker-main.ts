import { readFile, stat } from 'node:fs/promises';
import process from 'node:process';
import sharp from 'sharp';
import { MAX_IMAGE_BYTES } from './limits.ts';
import { processImage } from './process-image.ts';
import { refuse } from './refusal.ts';
import { OUT_OF_MEMORY_EXIT, workerJob, workerSettings } from './worker-protocol.ts';
import type { ImageInput, ProcessResult, WorkerAnswer, WorkerJob } from './worker-protocol.ts';

/** How often the memory is looked at, in ms: a decoder fills some tens of megabytes in that time. */
const MEMORY_CHECK_MS = 20;

/** The loaders that a picture of ours can need; every other one is closed, so that no hostile byte reaches it. */
const LOADERS = ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp', 'VipsForeignLoadHeif'];

if (import.meta.main) work();

function work(): void {
  const { maxRssBytes } = workerSettings.parse(JSON.parse(process.argv[2] ?? '{}'));
  sharp.concurrency(1);
  sharp.cache(false);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: LOADERS });
  setInterval(() => {
    if (process.memoryUsage.rss() > maxRssBytes) process.exit(OUT_OF_MEMORY_EXIT);
  }, MEMORY_CHECK_MS).unref();
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => void handle(workerJob.parse(message)));
  answer({ kind: 'ready' });
}

async function handle({ id, input, options }: WorkerJob): Promise<void> {
  try {
    answer({ kind: 'done', id, result: await run(input, options) });
  } catch (error) {
    answer({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
  }
}

async function run(input: ImageInput, options: WorkerJob['options']): Promise<ProcessResult> {
  if (input instanceof Uint8Array) return processImage(input, options);
  if ((await stat(input.path)).size > MAX_IMAGE_BYTES) return refuse('media_too_large');
  return processImage(await readFile(input.path), options);
}

function answer(message: WorkerAnswer): void {
  process.send?.(message);
}
