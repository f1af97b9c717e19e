import { open } from 'node:fs/promises';
import { refuse } from '../../domain/decider.ts';
import type { AccountId, MediaId } from '../../domain/ids.ts';
import { mediaDecider } from '../../domain/media.ts';
import type { CameraConsent } from '../../domain/media-file.ts';
import { streamOf } from '../../domain/streams.ts';
import { stepCommandId } from '../../infra/ids.ts';
import type { ObjectStore } from '../../infra/object-store/object-store.ts';
import { sniff, SNIFF_BYTES } from '../../media/sniff.ts';
import { completeUpload } from '../media/complete-upload.ts';
import { createPost, type CreatePostInput } from './create-post.ts';
import { handle, type CommandContext } from '../handle.ts';
import { requestUpload, type RequestUploadDeps } from '../media/request-upload.ts';

/** A file that came along with a request and lies on this machine. */
export type StagedFile = {
  readonly path: string;
  readonly size: number;
  /** Lower-case hex. */ readonly sha256: string;
  readonly contentType: string;
};
export type PostFilesInput = Omit<CreatePostInput, 'mediaIds'> & {
  readonly files: readonly StagedFile[];
  /** What may be kept of what the camera wrote into them; without it date and camera, but not the place. */
  readonly cameraConsent: CameraConsent | undefined;
};

type Deps = RequestUploadDeps & { readonly objects: ObjectStore };

/**
 * Uploads files and composes a post of them in one command. When a file or the post is refused, what was uploaded is
 * deleted again. A repeat under the same command id takes up where the first try ended.
 */
export async function postFiles(
  deps: Deps,
  context: CommandContext,
  { files, cameraConsent, ...composition }: PostFilesInput,
) {
  if (files.length === 0 || files.some(({ size }) => size === 0))
    return refuse('no_files', 'send at least one file, none of them empty');
  const mediaIds: MediaId[] = [];
  for (const [ordinal, file] of files.entries()) {
    const kept = await keepFile(deps, context, { owner: composition.authorId, ordinal, file, cameraConsent });
    if (kept.mediaId !== undefined) mediaIds.push(kept.mediaId);
    if (kept.refused !== undefined) return discard(deps, context, mediaIds, kept.refused);
  }
  const created = await createPost(deps, context, { ...composition, mediaIds });
  return created.ok ? created : discard(deps, context, mediaIds, created);
}

type KeptFile = Pick<PostFilesInput, 'cameraConsent'> & {
  readonly owner: AccountId;
  readonly ordinal: number;
  readonly file: StagedFile;
};

async function keepFile(deps: Deps, context: CommandContext, { owner, ordinal, file, cameraConsent }: KeptFile) {
  const requested = await requestUpload(deps, context, {
    ownerId: owner,
    contentType: await typeOf(file),
    fileSize: file.size,
    sha256: file.sha256,
    ordinal,
    cameraConsent,
  });
  if (!requested.ok) return { mediaId: undefined, refused: requested };
  const { mediaId, key, contentType } = requested.upload;
  await deps.objects.put(key, { path: file.path }, { contentType, checksumSha256: file.sha256 });
  const completed = await completeUpload(
    deps,
    { ...context, commandId: stepCommandId(context.commandId, 'complete-upload') },
    { accountId: owner, mediaId },
  );
  return { mediaId, refused: completed.ok ? undefined : completed };
}

// Programs that send forms guess the type from the file's name: only where the content says nothing does that count.
async function typeOf({ path, contentType }: StagedFile): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    const found = await sniff(buffer.subarray(0, bytesRead));
    return found.ok ? found.type : contentType;
  } finally {
    await file.close();
  }
}

async function discard<Refused>(
  deps: Deps,
  context: CommandContext,
  mediaIds: readonly MediaId[],
  refused: Refused,
): Promise<Refused> {
  for (const mediaId of mediaIds) {
    const discarded = await handle(
      deps,
      { ...context, commandId: stepCommandId(context.commandId, 'discard-upload') },
      {
        decider: mediaDecider,
        streamId: streamOf.media(mediaId),
        command: { type: 'DeleteMedia' },
        owners: ({ data }) => [data.ownerId],
      },
    );
    if (discarded.ok && discarded.state.status === 'deleted') await deps.objects.delete(discarded.state.key);
  }
  return refused;
}
