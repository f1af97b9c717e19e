import { createHmac } from 'node:crypto';
import type { Config } from './config.ts';
import { createFsObjectStore, type FsObjectStore } from './object-store-fs.ts';
import { createS3ObjectStore } from './object-store-s3.ts';
import type { ObjectStore } from './object-store.ts';

/** Where media files live: an S3 bucket when S3_ENDPOINT is set, else MEDIA_DIR with signed addresses of our own. */
export type MediaStore =
  | { readonly kind: 's3'; readonly objects: ObjectStore }
  | { readonly kind: 'files'; readonly objects: FsObjectStore };

type Settings = Pick<Config, 'S3_ENDPOINT' | 'S3_BUCKET' | 'S3_REGION' | 'S3_ACCESS_KEY_ID' | 'S3_SECRET_ACCESS_KEY' | 'MEDIA_DIR' | 'JWT_SECRET' | 'PUBLIC_URL' | 'HOST' | 'PORT'>;

/**
 * Opens the media store that the settings name. Every process must get the same ones: what the write API signs, the
 * upload route and the read API check. Throws when an S3 endpoint comes without its credentials.
 */
export function openMediaStore(config: Settings): MediaStore {
  if (config.S3_ENDPOINT === undefined) return { kind: 'files', objects: createFsObjectStore(filesOptions(config)) };
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = config;
  if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error('S3_ENDPOINT needs S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY');
  return { kind: 's3', objects: createS3ObjectStore({ endpoint: config.S3_ENDPOINT, region: config.S3_REGION, bucket: config.S3_BUCKET, credentials: { accessKeyId, secretAccessKey } }) };
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
