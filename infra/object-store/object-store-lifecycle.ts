import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  S3ServiceException,
  type LifecycleRule,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createS3Client } from './object-store-s3.ts';
import type { S3Options } from './object-store-s3.ts';

export interface BucketRules {
  /** Objects below this prefix move to colder classes; what is uploaded but not taken lies elsewhere. */
  readonly mediaPrefix: string;
  /** Default 90. */
  readonly infrequentAccessAfterDays?: number;
  /** Default 365. */
  readonly archiveAfterDays?: number;
}

/**
 * `applied`: the server gives the rules back as they were written. `unsupported`: it knows no such rules, or forgets
 * them.
 * `refused`: it knows such rules and does not take these, for instance because it has no such storage class.
 */
export type RuleOutcome =
  { readonly is: 'applied' | 'unsupported' } | { readonly is: 'refused'; readonly reason: string };

export interface AppliedRules {
  readonly lifecycle: RuleOutcome;
  readonly encryption: RuleOutcome;
}

/**
 * Writes the rules of a media bucket: colder storage with age, remains of broken uploads removed, encryption at rest.
 * Replaces what was there, and looks whether it is in force. Throws when the server cannot be reached or does not let
 * us in.
 */
export async function applyBucketRules(options: S3Options, rules: BucketRules): Promise<AppliedRules> {
  const client = createS3Client(options);
  try {
    return {
      lifecycle: await applyLifecycle(client, options.bucket, lifecycleRules(rules)),
      encryption: await applyEncryption(client, options.bucket),
    };
  } finally {
    client.destroy();
  }
}

function lifecycleRules({
  mediaPrefix,
  infrequentAccessAfterDays = 90,
  archiveAfterDays = 365,
}: BucketRules): LifecycleRule[] {
  return [
    {
      ID: 'media-to-colder-storage',
      Status: 'Enabled',
      Filter: { Prefix: mediaPrefix },
      Transitions: [
        { Days: infrequentAccessAfterDays, StorageClass: 'STANDARD_IA' },
        { Days: archiveAfterDays, StorageClass: 'GLACIER_IR' },
      ],
    },
    {
      ID: 'remove-broken-uploads',
      Status: 'Enabled',
      Filter: { Prefix: '' },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
    },
  ];
}

function applyLifecycle(client: S3Client, Bucket: string, Rules: LifecycleRule[]): Promise<RuleOutcome> {
  return outcomeOf(async () => {
    await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    const { Rules: kept = [] } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    return Rules.every((rule) => kept.some((one) => one.Status === 'Enabled' && actionsOf(one) === actionsOf(rule)));
  });
}

// Servers add to rules what they take for granted, and order the steps as they like.
function actionsOf({ ID, Transitions = [], AbortIncompleteMultipartUpload }: LifecycleRule): string {
  const steps = Transitions.map(({ Days, StorageClass }) => `${String(Days)} ${String(StorageClass)}`).sort();
  return JSON.stringify([ID, steps, AbortIncompleteMultipartUpload?.DaysAfterInitiation ?? null]);
}

function applyEncryption(client: S3Client, Bucket: string): Promise<RuleOutcome> {
  return outcomeOf(async () => {
    const Rules = [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const }, BucketKeyEnabled: true }];
    await client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }));
    const { ServerSideEncryptionConfiguration: kept } = await client.send(new GetBucketEncryptionCommand({ Bucket }));
    return kept?.Rules?.some((rule) => rule.ApplyServerSideEncryptionByDefault?.SSEAlgorithm === 'AES256') ?? false;
  });
}

// What a server answers to a question about rules that it has none of.
const NONE_KEPT = new Set(['NoSuchLifecycleConfiguration', 'ServerSideEncryptionConfigurationNotFoundError']);

async function outcomeOf(write: () => Promise<boolean>): Promise<RuleOutcome> {
  try {
    return { is: (await write()) ? 'applied' : 'unsupported' };
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    const {
      name,
      message,
      $metadata: { httpStatusCode: status },
    } = error;
    if (name === 'NotImplemented' || status === 501 || NONE_KEPT.has(name)) return { is: 'unsupported' };
    if (status === 400) return { is: 'refused', reason: `${name}: ${message}` };
    throw error;
  }
}
