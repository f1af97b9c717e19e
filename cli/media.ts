import type { Command } from 'commander';
import { mediaBuckets } from '../infra/object-store/media-store.ts';
import { applyBucketRules, type RuleOutcome } from '../infra/object-store/object-store-lifecycle.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';

// What is served lies below it; uploads that nobody completed lie elsewhere and are swept.
const MEDIA_PREFIX = 'media/';

/** `media lifecycle apply`: writes the rules of the media buckets. */
export function registerMedia(program: Command, run: Run): void {
  const lifecycle = program
    .command('media')
    .description('the buckets that media lie in')
    .command('lifecycle')
    .description('rules of the buckets');
  lifecycle
    .command('apply')
    .description(
      'write the rules of both media buckets, in place of what is there: infrequent access after 90 days, archive after 365, remains of broken uploads removed, encryption at rest',
    )
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => run((context) => apply(context, options.json === true)));
}

async function apply(context: CliContext, json: boolean): Promise<ExitCode> {
  const buckets = mediaBuckets(context.config());
  if (buckets.length === 0)
    throw new CliError('media lie in MEDIA_DIR, which has no such rules; they are for S3 buckets (S3_ENDPOINT)', 2);
  const applied = [];
  for (const bucket of buckets)
    applied.push({ bucket: bucket.bucket, rules: await applyBucketRules(bucket, { mediaPrefix: MEDIA_PREFIX }) });
  const outcomes = applied.flatMap(({ rules: { lifecycle, encryption } }) => [lifecycle, encryption]);
  if (json)
    console.log(
      JSON.stringify(
        applied.map(({ bucket, rules: { lifecycle, encryption } }) => ({
          bucket,
          lifecycle: lifecycle.is,
          encryption: encryption.is,
          reasons: reasonsOf([lifecycle, encryption]),
        })),
      ),
    );
  else {
    for (const {
      bucket,
      rules: { lifecycle, encryption },
    } of applied)
      console.log(`${bucket}: lifecycle ${lifecycle.is}, encryption ${encryption.is}`);
    if (outcomes.some(({ is }) => is === 'unsupported')) console.error('this server keeps no such rules');
    for (const reason of new Set(reasonsOf(outcomes))) console.error(`this server refused rules: ${reason}`);
  }
  return outcomes.every(({ is }) => is === 'applied') ? 0 : 1;
}

const reasonsOf = (outcomes: readonly RuleOutcome[]) =>
  outcomes.flatMap((outcome) => (outcome.is === 'refused' ? [outcome.reason] : []));
