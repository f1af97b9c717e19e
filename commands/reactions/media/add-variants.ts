import { buffer } from 'node:stream/consumers';
import type { MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import type { MediaState } from '../../../domain/media-state.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { ObjectStore } from '../../../infra/object-store/object-store.ts';
import type { ImageOptions } from '../../../media/image-options.ts';
import type { MediaWorkers } from '../../../media/worker-pool.ts';
import { handle, type CommandContext, type Log } from '../../handle.ts';
import { storeVariant } from './media-objects.ts';

export type AddVariantsDeps = Log & { readonly objects: ObjectStore; readonly workers: Pick<MediaWorkers, 'process'> };

export type ReadyMedia = Extract<MediaState, { status: 'processed' }>;

/**
 * Makes more sizes or another format of a ready medium and records them. `nothing`: its file cannot be made into them,
 * or they came to be or the medium went meanwhile; what is served stays as it is.
 */
export async function addVariants(
  deps: AddVariantsDeps,
  context: CommandContext,
  media: ReadyMedia,
  wanted: Pick<ImageOptions, 'sizes' | 'format'>,
): Promise<'made' | 'nothing'> {
  const { mediaId, kind, filter } = media;
  const source = await deps.objects.get(sourceOf(media));
  if (!source.ok) return 'nothing';
  const look = kind === 'video' || filter === null ? {} : { filter };
  const made = await deps.workers.process(await buffer(source.body), { ...wanted, ...look, blurhash: false });
  if (!made.ok) return 'nothing';
  const variants = await Promise.all(made.variants.map((variant) => storeVariant(deps.objects, mediaId, variant)));
  return record(deps, context, mediaId, variants);
}

async function record(
  deps: Log,
  context: CommandContext,
  mediaId: MediaId,
  variants: Awaited<ReturnType<typeof storeVariant>>[],
): Promise<'made' | 'nothing'> {
  const handled = await handle(deps, context, {
    decider: mediaDecider,
    streamId: streamOf.media(mediaId),
    command: { type: 'RecordFormat', variants },
    owners: ({ data }) => [data.ownerId],
  });
  if (!handled.ok) throw new Error(`recording more files of ${mediaId} was refused: ${handled.refusal.code}`);
  return handled.events.length === 0 ? 'nothing' : 'made';
}

// A video's file is no picture: its poster is.
const sourceOf = ({ kind, key, variants }: ReadyMedia) =>
  kind === 'image' ? key : (variants.find(({ name }) => name === 'original')?.key ?? key);
