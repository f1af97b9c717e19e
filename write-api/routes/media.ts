import { z } from 'zod';
import { completeUpload } from '../../commands/media/complete-upload.ts';
import type { Log } from '../../commands/handle.ts';
import { requestUpload } from '../../commands/media/request-upload.ts';
import { refuse } from '../../domain/decider.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { MediaState } from '../../domain/media-state.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { MediaAddresses } from '../../infra/object-store/media-addresses.ts';
import type { ObjectStore } from '../../infra/object-store/object-store.ts';
import type { ContentRefusal } from '../content-problems.ts';
import { KeepCameraData } from '../keep-camera-data.ts';
import { uploadParams } from './id-param.ts';

type Deps = {
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly addresses: Pick<MediaAddresses, 'of'>;
  readonly takesVideos: () => Promise<boolean>;
};

const tags = ['media'];

/** SHA-256 as hex of either case or as base64; comes out as lower-case hex. */
const Checksum = z
  .union(
    [z.string().regex(/^[0-9a-fA-F]{64}$/), z.string().regex(/^[A-Za-z0-9+/]{43}=$/)],
    'must be a SHA-256 in hex or base64',
  )
  .transform((text) => (text.length === 64 ? text.toLowerCase() : Buffer.from(text, 'base64').toString('hex')));

/** Uploading files: a promise, the bytes straight to the object store, then completion. */
export function mediaRoutes(deps: Deps): Route<ContentRefusal>[] {
  return [uploadUrlRoute(deps), completeRoute(deps)];
}

function uploadUrlRoute({ log, objects, takesVideos }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/media/upload-url',
    summary: 'Ask for an address to upload one file to',
    tags,
    auth: 'account',
    description: [
      'Send exactly the declared bytes to `upload_url` with `method` and all `headers`, once, before `expires_at`; then complete the upload.',
      'On the file-system store the address answers 200, or a problem: 403 `signature_invalid`, 410 `signature_expired`, 409 `upload_replayed`, 415 `upload_type_mismatch`, 422 `upload_size_mismatch`, 422 `upload_checksum_mismatch`. An S3 store answers with its own errors.',
    ].join('\n\n'),
    problems: { 413: '`media_too_large`', 415: '`media_type_unsupported`, `media_video_unavailable`' },
    body: z.object({
      content_type: z.string().min(1).max(100),
      file_size: z.int().positive(),
      checksum_sha256: Checksum.optional(),
      keep_camera_data: KeepCameraData,
    }),
    responses: {
      200: z.object({
        upload_id: z.string(),
        upload_url: z.string(),
        method: z.literal('PUT'),
        headers: z.record(z.string(), z.string()),
        expires_at: z.iso.datetime(),
      }),
    },
    handler: async ({ account, body, context }) => {
      const requested = await requestUpload({ ...log, takesVideos }, context, {
        ownerId: account.id,
        contentType: body.content_type,
        fileSize: body.file_size,
        sha256: body.checksum_sha256 ?? null,
        ordinal: 0,
        cameraConsent: body.keep_camera_data,
      });
      if (!requested.ok) return requested;
      const { mediaId, key, contentType, fileSize, sha256, expiresAt } = requested.upload;
      const expiresInSeconds = Math.min(
        Math.ceil((Date.parse(expiresAt) - context.now.getTime()) / 1_000),
        LIMITS.uploadLifetimeMs / 1_000,
      );
      if (expiresInSeconds <= 0) return refuse('upload_expired', 'ask for a new upload');
      const grant = await objects.presignUpload({
        key,
        contentType,
        size: fileSize,
        expiresInSeconds,
        ...(sha256 === null ? {} : { checksumSha256: sha256 }),
      });
      return {
        status: 200,
        written: requested.written,
        body: {
          upload_id: mediaId,
          upload_url: grant.url,
          method: grant.method,
          headers: { ...grant.headers },
          expires_at: expiresAt,
        },
      };
    },
  });
}

function completeRoute({ log, objects, addresses }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/media/upload-url/{upload_id}/complete',
    summary: 'Say that the file has arrived',
    tags,
    auth: 'account',
    params: uploadParams,
    description:
      'The size, the type by content and the checksum are verified before the answer; bytes that are not as declared are removed. The file is then made ready in the background. Completing again changes nothing and tells how far it is.',
    problems: {
      404: '`upload_not_found`',
      409: '`upload_missing`',
      410: '`upload_expired`',
      415: '`upload_type_mismatch`',
      422: '`upload_size_mismatch`, `upload_checksum_mismatch`',
    },
    responses: {
      200: z.object({
        media_id: z.string(),
        status: z.enum(['processing', 'ready', 'rejected']),
        preview_url: z
          .string()
          .optional()
          .meta({ description: 'The thumbnail of a file that is ready; the address is good for an hour' }),
      }),
    },
    handler: async ({ account, params: { upload_id: mediaId }, context }) => {
      if (mediaId === undefined) return refuse('upload_not_found');
      const completed = await completeUpload({ ...log, objects }, context, { accountId: account.id, mediaId });
      if (!completed.ok) return completed;
      return {
        status: 200,
        written: completed.written,
        body: { media_id: mediaId, ...progressOf(completed.state, addresses) },
      };
    },
  });
}

// Signed whether the account is private or not: that may change while the address is in use.
function progressOf(state: MediaState, addresses: Deps['addresses']) {
  if (state.status === 'rejected') return { status: 'rejected' as const };
  if (state.status !== 'processed') return { status: 'processing' as const };
  const preview = state.variants.find(({ name }) => name === 'thumbnail') ?? state.variants[0];
  return {
    status: 'ready' as const,
    ...(preview !== undefined && { preview_url: addresses.of(preview.key, { isPrivate: true }) }),
  };
}
