import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { mediaDecider } from '../../domain/media.ts';
import { CameraConsent, kindOf, UPLOAD_TYPES } from '../../domain/media-file.ts';
import { streamOf } from '../../domain/streams.ts';
import { idFromCommand } from '../../infra/ids.ts';
import { knownType } from '../../media/sniff.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';

export const RequestUploadInput = z.object({
  ownerId: AccountId,
  /** Any of the names under which a type is known. */
  contentType: z.string().min(1).max(100),
  fileSize: z.int().positive(),
  /** Lower-case hex. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  /** Tells several uploads of one command apart. */
  ordinal: z.int().nonnegative().default(0),
  /** What may be kept of what the camera wrote; without it date and camera, but not the place. */
  cameraConsent: CameraConsent.optional(),
});
export type RequestUploadInput = z.infer<typeof RequestUploadInput>;

export type RequestUploadDeps = Log & {
  /** Whether videos can be made ready; without it they are taken, and judged when they are. */
  readonly takesVideos?: () => Promise<boolean>;
};

/**
 * Promises a place for one file. Its medium takes its id from the command's; the place is `upload.key` until
 * `upload.expiresAt`.
 */
export async function requestUpload(
  deps: RequestUploadDeps,
  context: CommandContext,
  { ownerId, contentType, fileSize, sha256, ordinal, cameraConsent }: RequestUploadInput,
) {
  const type = knownType(contentType);
  const kind = type === null ? undefined : kindOf(type);
  if (type === null || kind === undefined)
    return refuse('media_type_unsupported', `must be one of ${UPLOAD_TYPES.join(', ')}`);
  const mediaId = idFromCommand.media(context.commandId, ordinal);
  const expiresAt = new Date(context.now.getTime() + LIMITS.uploadLifetimeMs).toISOString();
  const handled = await handle(deps, context, {
    decider: mediaDecider,
    streamId: streamOf.media(mediaId),
    command: {
      type: 'RequestUpload',
      upload: {
        mediaId,
        ownerId,
        kind,
        contentType: type,
        fileSize,
        sha256,
        key: `uploads/${ownerId}/${mediaId}`,
        expiresAt,
        ...(cameraConsent === undefined ? {} : { cameraConsent }),
      },
      takesVideos: kind !== 'video' || (await deps.takesVideos?.()) !== false,
    },
    owners: () => [ownerId],
    opens: true,
  });
  if (!handled.ok) return handled;
  const requested = handled.events.find((event) => event.type === 'UploadRequested');
  if (requested === undefined) throw new Error(`${mediaId} was requested without a promise`);
  return { ok: true as const, upload: requested.data, written: handled.written };
}
