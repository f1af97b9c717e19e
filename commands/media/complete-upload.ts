import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { AccountId, MediaId } from '../../domain/ids.ts';
import { mediaDecider, type Arrived, type MediaRefusal } from '../../domain/media.ts';
import { streamOf } from '../../domain/streams.ts';
import type { ObjectStore } from '../../infra/object-store/object-store.ts';
import { sniff, SNIFF_BYTES } from '../../media/sniff.ts';
import { handle, loadState, type ActorRefusal, type CommandContext, type Log } from '../handle.ts';

export const CompleteUploadInput = z.object({ accountId: AccountId, mediaId: MediaId });
export type CompleteUploadInput = z.infer<typeof CompleteUploadInput>;

/**
 * Takes an upload as done once the bytes are as promised: size, type by content, checksum. Bytes that are not are
 * removed. Completing again changes nothing. Somebody else's upload answers like a missing one.
 */
export async function completeUpload(
  deps: Log & { readonly objects: ObjectStore },
  context: CommandContext,
  { accountId, mediaId }: CompleteUploadInput,
) {
  const streamId = streamOf.media(mediaId);
  const media = await loadState(deps, mediaDecider, streamId);
  const isOwnOpen = media.status === 'requested' && media.ownerId === accountId;
  const arrived = isOwnOpen ? await inspect(deps.objects, media.key) : null;
  const handled = await handle(deps, context, {
    decider: mediaDecider,
    streamId,
    command: { type: 'CompleteUpload', by: accountId, arrived, now: context.now.toISOString() },
    owners: () => [accountId],
  });
  if (!handled.ok && isOwnOpen && meansOtherBytes(handled.refusal.code)) await deps.objects.delete(media.key);
  return handled;
}

function meansOtherBytes(code: MediaRefusal | ActorRefusal): boolean {
  return code === 'upload_size_mismatch' || code === 'upload_type_mismatch' || code === 'upload_checksum_mismatch';
}

async function inspect(objects: ObjectStore, key: string): Promise<Arrived | null> {
  const info = await objects.head(key);
  if (info === null) return null;
  const head = await open(objects, key, { start: 0, end: SNIFF_BYTES - 1 });
  const found = await sniff(head === null ? new Uint8Array() : await buffer(head));
  const sha256 = info.checksumSha256 ?? (await hashOf(objects, key));
  return { fileSize: info.size, contentType: found.ok ? found.type : null, sha256 };
}

async function open(
  objects: ObjectStore,
  key: string,
  range?: { start: number; end: number },
): Promise<Readable | null> {
  const found = await objects.get(key, range);
  return found.ok ? found.body : null;
}

async function hashOf(objects: ObjectStore, key: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of (await open(objects, key)) ?? []) hash.update(z.instanceof(Uint8Array).parse(chunk));
  return hash.digest('hex');
}
