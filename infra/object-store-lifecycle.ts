import { PutBucketEncryptionCommand, PutBucketLifecycleConfigurationCommand, S3ServiceException } from '@aws-sdk/client-s3';
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

/** `unsupported`: the server knows no such rules. Every other failure is thrown. */
export interface AppliedRules {
  readonly lifecycle: 'applied' | 'unsupported';
  readonly encryption: 'applied' | 'unsupported';
}

/** Writes the rules of a media bucket: colder storage with age, remains of broken uploads removed, encryption at rest. Replaces what was there. */
export async function applyBucketRules(options: S3Options, { mediaPrefix, infrequentAccessAfterDays = 90, archiveAfterDays = 365 }: BucketRules): Promise<AppliedRules> {
  const client = createS3Client(options);
  const { bucket: Bucket } = options;
  try {
    const lifecycle = await apply(() => client.send(new PutBucketLifecycleConfigurationCommand({
      Bucket,
      LifecycleConfiguration: {
        Rules: [
          {
            ID: 'media-to-colder-storage',
            Status: 'Enabled',
            Filter: { Prefix: mediaPrefix },
            Transitions: [
              { Days: infrequentAccessAfterDays, StorageClass: 'STANDARD_IA' },
              { Days: archiveAfterDays, StorageClass: 'GLACIER_IR' },
            ],
          },
          { ID: 'remove-broken-uploads', Status: 'Enabled', Filter: { Prefix: '' }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
        ],
      },
    })));
    const encryption = await apply(() => client.send(new PutBucketEncryptionCommand({
      Bucket,
      ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: true }] },
    })));
    return { lifecycle, encryption };
  } finally {
    client.destroy();
  }
}

async function apply(send: () => Promise<unknown>): Promise<'applied' | 'unsupported'> {
  try {
    await send();
    return 'applied';
  } catch (error) {
    if (error instanceof S3ServiceException && (error.name === 'NotImplemented' || error.$metadata.httpStatusCode === 501)) return 'unsupported';
    throw error;
  }
}
