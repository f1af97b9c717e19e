import type { Command } from 'commander';
import { mediaBuckets } from '../infra/media-store.ts';
import { applyBucketRules } from '../infra/object-store-lifecycle.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './main.ts';

// What is served lies below it; uploads that nobody completed lie elsewhere and are swept.
const MEDIA_PREFIX = 'media/';

/** `media lifecycle apply`: writes the rules of the media buckets. */
export function registerMedia(program: Command, run: Run): void {
  const lifecycle = program.command('media').description('the buckets that media lie in')
    .command('lifecycle').description('rules of the buckets');
  lifecycle.command('apply')
    .description('write the rules of both media buckets, in place of what is there: infrequent access after 90 days, archive after 365, remains of broken uploads removed, encryption at rest')
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => run((context) => apply(context, options.json === true)));
}

async function apply(context: CliContext, json: boolean): Promise<ExitCode> {
  const buckets = mediaBuckets(context.config());
  if (buckets.length === 0) throw new CliError('media lie in MEDIA_DIR, which has no such rules; they are for S3 buckets (S3_ENDPOINT)', 2);
  const applied = [];
  for (const bucket of buckets) applied.push({ bucket: bucket.bucket, ...(await applyBucketRules(bucket, { mediaPrefix: MEDIA_PREFIX })) });
  if (json) console.log(JSON.stringify(applied));
  else for (const { bucket, lifecycle, encryption } of applied) console.log(`${bucket}: lifecycle ${lifecycle}, encryption ${encryption}`);
  const unsupported = applied.some(({ lifecycle, encryption }) => lifecycle === 'unsupported' || encryption === 'unsupported');
  if (unsupported && !json) console.error('this server knows no such rules');
  return unsupported ? 1 : 0;
}
