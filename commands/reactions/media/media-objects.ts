import { createHash } from 'node:crypto';
import type { MediaId } from '../../../domain/ids.ts';
import type { Variant } from '../../../domain/media-file.ts';
import type { ObjectSource, ObjectStore } from '../../../infra/object-store/object-store.ts';
import type { Variant as MadeVariant } from '../../../media/variants.ts';

/** Where everything that is made of a medium lies; the names are as hard to guess as the medium's id. */
export function mediaPrefix(mediaId: MediaId): string {
  return `media/${mediaId}/`;
}

/** Puts one size of a picture into the object store, unless the same bytes are there. */
export async function storeVariant(objects: ObjectStore, mediaId: MediaId, made: MadeVariant): Promise<Variant> {
  const { name, contentType, width, height, bytes } = made;
  const key = `${mediaPrefix(mediaId)}${name}.${contentType.slice('image/'.length)}`;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await storeOnce(objects, key, { source: bytes, contentType, sha256 });
  return { name, key, contentType, width, height, bytes: bytes.length, sha256 };
}

/** Puts an object where none with these bytes is. */
export async function storeOnce(
  objects: ObjectStore,
  key: string,
  { source, contentType, sha256 }: { source: ObjectSource; contentType: string; sha256: string },
): Promise<void> {
  const present = await objects.head(key);
  if (present?.checksumSha256 !== sha256) await objects.put(key, source, { contentType, checksumSha256: sha256 });
}
