import { createHmac } from 'node:crypto';
import { resolve } from 'node:path';
import { metrics } from '@opentelemetry/api';
import type { Config } from '../process/config.ts';
import { withFallback, type FallbackObjectStore } from './object-store-fallback.ts';
import { createFsObjectStore, type FsObjectStore } from './object-store-fs.ts';
import { guardObjectStore, type GuardedObjectStore } from './object-store-guarded.ts';
import { createS3ObjectStore, type S3Options } from './object-store-s3.ts';
import type { ObjectStore } from './object-store.ts';

/** Two buckets that stand in for each other; `objects` of the store is both as one. */
export type MediaPair = { readonly primary: ObjectStore; readonly secondary: ObjectStore } & Pick<
  FallbackObjectStore,
  'replicate' | 'reconcile'
>;

/** Where media files live: S3 buckets when S3_ENDPOINT is set, else MEDIA_DIR with signed addresses of our own. */
export type MediaStore =
  | {
      readonly kind: 's3';
      readonly objects: ObjectStore;
      /** With S3_FALLBACK_BUCKET alone. */ readonly pair?: MediaPair;
    }
  | { readonly kind: 'files'; readonly objects: FsObjectStore };

type S3Settings = Pick<
  Config,
  'S3_ENDPOINT' | 'S3_BUCKET' | 'S3_FALLBACK_BUCKET' | 'S3_REGION' | 'S3_ACCESS_KEY_ID' | 'S3_SECRET_ACCESS_KEY'
>;
type Settings = S3Settings & Pick<Config, 'MEDIA_DIR' | 'JWT_SECRET' | 'PUBLIC_URL' | 'HOST' | 'PORT'>;

/**
 * Opens the media store that the settings name. Every process must get the same ones: what the write API signs, the
 * upload route and the read API check. S3 is behind retries and a circuit breaker; with a second bucket it is the
 * retry. Throws when an S3 endpoint comes without its credentials.
 */
export function openMediaStore(config: Settings): MediaStore {
  const [first, second] = mediaBuckets(config);
  if (first === undefined) return { kind: 'files', objects: createFsObjectStore(filesOptions(config)) };
  if (second === undefined) return { kind: 's3', objects: guarded(first, {}) };
  const { primary, secondary } = { primary: guarded(first, { retries: 0 }), secondary: guarded(second, {}) };
  const served = metrics.getMeter('shutterlog').createCounter('object_store_fallbacks', {
    description: 'Operations that one of the two buckets failed and the other served.',
  });
  const objects = withFallback({
    primary,
    secondary,
    onFallback: (operation) => {
      served.add(1, { operation });
    },
  });
  return {
    kind: 's3',
    objects,
    pair: { primary, secondary, replicate: objects.replicate, reconcile: objects.reconcile },
  };
}

/**
 * The buckets that the settings name: none, one, or one and the one that stands in for it. Throws when the credentials
 * are missing.
 */
export function mediaBuckets(config: S3Settings): S3Options[] {
  if (config.S3_ENDPOINT === undefined) return [];
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = config;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new Error('S3_ENDPOINT needs S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY');
  const common = {
    endpoint: config.S3_ENDPOINT,
    region: config.S3_REGION,
    credentials: { accessKeyId, secretAccessKey },
  };
  return [config.S3_BUCKET, config.S3_FALLBACK_BUCKET].flatMap((bucket) =>
    bucket === undefined ? [] : [{ ...common, bucket }],
  );
}

/**
 * Says where the settings keep media files, the same in every process that means the same place. With two buckets it is
 * the first.
 */
export function mediaPlace(config: S3Settings & Pick<Config, 'MEDIA_DIR'>): string {
  const [first] = mediaBuckets(config);
  if (first === undefined) return resolve(config.MEDIA_DIR);
  return `the bucket ${first.bucket} at ${first.endpoint === undefined ? first.region : new URL(first.endpoint).host}`;
}

function guarded(bucket: S3Options, { retries }: { retries?: number }): GuardedObjectStore {
  const changes = metrics.getMeter('shutterlog').createCounter('object_store_circuit_changes', {
    description: 'Changes of the circuit breaker before a bucket, by the state that it took.',
  });
  return guardObjectStore(createS3ObjectStore(bucket), {
    ...(retries === undefined ? {} : { retries }),
    onState: (state) => {
      changes.add(1, { bucket: bucket.bucket, state });
    },
  });
}

function filesOptions(config: Settings): Parameters<typeof createFsObjectStore>[0] {
  const origin = config.PUBLIC_URL ?? `http://${config.HOST}:${config.PORT}`;
  return {
    dir: config.MEDIA_DIR,
    // A key of its own, so that a signed address can never pass for a session token.
    secret: createHmac('sha256', config.JWT_SECRET).update('media addresses').digest('hex'),
    uploadBaseUrl: `${origin}/upload`,
    downloadBaseUrl: `${origin}/media`,
  };
}
