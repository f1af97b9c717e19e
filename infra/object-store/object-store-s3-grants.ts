import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { checkedKey, type DownloadGrant, type UploadGrant, type UploadGrantOptions } from './object-store.ts';

/** An address that takes exactly the promised bytes: their size, type and, where known, checksum are signed. */
export async function presignUpload(
  client: S3Client,
  bucket: string,
  upload: UploadGrantOptions,
): Promise<UploadGrant> {
  const headers = {
    'content-type': upload.contentType,
    'if-none-match': '*',
    ...(upload.checksumSha256 === undefined ? {} : { 'x-amz-checksum-sha256': base64(upload.checksumSha256) }),
  };
  const expiresAt = new Date(Date.now() + upload.expiresInSeconds * 1000);
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: checkedKey(upload.key),
    ContentType: upload.contentType,
    ContentLength: upload.size,
    IfNoneMatch: '*',
    ...(upload.checksumSha256 === undefined ? {} : { ChecksumSHA256: base64(upload.checksumSha256) }),
  });
  const url = await getSignedUrl(client, command, {
    expiresIn: upload.expiresInSeconds,
    unhoistableHeaders: new Set(['x-amz-checksum-sha256', 'if-none-match']),
    signableHeaders: new Set(['content-type', 'content-length', 'if-none-match']),
  });
  return { method: 'PUT', url, headers, expiresAt };
}

/** An address of an object that is good for some seconds. */
export async function presignDownload(
  client: S3Client,
  bucket: string,
  key: string,
  seconds: number,
): Promise<DownloadGrant> {
  const expiresAt = new Date(Date.now() + seconds * 1000);
  const url = await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: seconds });
  return { url, expiresAt };
}

/** A checksum in hex as S3 writes it. */
export function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
