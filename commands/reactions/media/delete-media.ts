import type { DomainEvent } from '../../../domain/event-log.ts';
import type { MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { handle, isErased, type CommandContext, type Log } from '../../handle.ts';
import {
  endUse,
  filesOf,
  MEDIA_FILES_DDL,
  mediaUsedBy,
  noteArrival,
  noteDeletion,
  noteDerived,
  noteUpload,
  usedByNobodyElse,
  useMedia,
  useMediaUntil,
} from './media-files.ts';
import { OWED_PURGES_DDL, purgeForGood, type PurgeDeps } from './purge-cdn.ts';
import type { Reaction } from '../reaction.ts';

/** The name of the reaction, and of its checkpoint. */
export const DELETE_MEDIA = 'delete-media';

export type DeleteMediaDeps = Log & PurgeDeps;

/**
 * Deletes media once nothing shows them: their post or story is gone, another profile picture is chosen, the account is
 * erased. Caches forget what is deleted or archived, and what a private account had shown to everybody.
 */
export function deleteMedia(deps: DeleteMediaDeps): Reaction {
  return {
    name: DELETE_MEDIA,
    handles: [
      'UploadRequested',
      'UploadCompleted',
      'MediaDerived',
      'UploadAbandoned',
      'MediaDeleted',
      'PostCreated',
      'PostArchived',
      'PostDeleted',
      'StoryPosted',
      'StoryPublished',
      'StoryRejected',
      'StoryDeleted',
      'ProfilePictureChosen',
      'AccountMadePrivate',
      'AccountErased',
    ],
    ddl: MEDIA_FILES_DDL + OWED_PURGES_DDL,
    react: async (event, context) => {
      await noteFile(deps.pool, event);
      await noteUse(deps.pool, event);
      await dropLate(deps, context, event);
      await noteEnd(deps, context, event);
    },
  };
}

async function noteFile(pool: Pool, event: DomainEvent): Promise<void> {
  switch (event.type) {
    case 'UploadRequested': {
      const { mediaId, ownerId, key, expiresAt } = event.data;
      return noteUpload(pool, { mediaId, ownerId, uploadKey: key, expiresAt });
    }
    case 'UploadCompleted':
      return noteArrival(pool, event.data.mediaId, event.meta.occurredAt);
    case 'MediaDerived':
      // The file belongs to the medium that it is made of, which may not go before.
      await useMedia(pool, event.data.mediaId, [event.data.fromMediaId]);
      return noteDerived(pool, event.data, event.meta.occurredAt);
    case 'UploadAbandoned':
    case 'MediaDeleted':
      return noteDeletion(pool, event.data.mediaId, event.meta.occurredAt);
    default:
      return;
  }
}

// An upload that was asked for while its owner was being erased comes behind the erasure, which did not find it.
async function dropLate(deps: DeleteMediaDeps, context: CommandContext, event: DomainEvent): Promise<void> {
  if (event.type !== 'UploadRequested' && event.type !== 'UploadCompleted' && event.type !== 'MediaDerived') return;
  if (await isErased(deps, event.data.ownerId)) await deleteOne(deps, context, event.data.mediaId);
}

async function noteUse(pool: Pool, event: DomainEvent): Promise<void> {
  switch (event.type) {
    case 'PostCreated':
      return useMedia(pool, event.data.postId, event.data.mediaIds);
    case 'StoryPosted':
      return useMedia(pool, event.data.storyId, [event.data.mediaId]);
    case 'StoryPublished':
      return useMediaUntil(pool, event.data.storyId, event.data.expiresAt);
    case 'ProfilePictureChosen':
      return event.data.mediaId === null ? undefined : useMedia(pool, event.data.accountId, [event.data.mediaId]);
    default:
      return;
  }
}

async function noteEnd(deps: DeleteMediaDeps, context: CommandContext, event: DomainEvent): Promise<void> {
  switch (event.type) {
    case 'MediaDeleted':
      await purgeForGood(deps, event.position, [event.data.mediaId]);
      return release(deps, context, event.data.mediaId);
    case 'PostDeleted':
      return release(deps, context, event.data.postId);
    case 'StoryRejected':
    case 'StoryDeleted':
      return release(deps, context, event.data.storyId);
    case 'ProfilePictureChosen':
      return release(deps, context, event.data.accountId, event.data.mediaId);
    case 'PostArchived':
      return purgeForGood(deps, event.position, await mediaUsedBy(deps.pool, event.data.postId));
    case 'AccountMadePrivate':
      return purgeForGood(deps, event.position, await filesOf(deps.pool, event.data.accountId));
    case 'AccountErased':
      for (const mediaId of await filesOf(deps.pool, event.data.accountId)) await deleteOne(deps, context, mediaId);
      return;
    default:
      return;
  }
}

/**
 * Ends what something shows, but for `kept`; media that nothing else shows are deleted. Safe to repeat at any point.
 */
export async function release(
  deps: Log & { readonly pool: Pool },
  context: CommandContext,
  usedBy: string,
  kept: MediaId | null = null,
): Promise<void> {
  const used = (await mediaUsedBy(deps.pool, usedBy)).filter((id) => id !== kept);
  for (const mediaId of await usedByNobodyElse(deps.pool, usedBy, used)) await deleteOne(deps, context, mediaId);
  await endUse(deps.pool, usedBy, used);
}

/** Deletes a medium, whoever shows it; its objects stay for their time of grace. */
export async function deleteOne(deps: Log, context: CommandContext, mediaId: MediaId): Promise<void> {
  await handle(deps, context, {
    decider: mediaDecider,
    streamId: streamOf.media(mediaId),
    command: { type: 'DeleteMedia' },
    owners: ({ data }) => [data.ownerId],
  });
}
