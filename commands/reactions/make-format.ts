import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { MediaId } from '../../domain/ids.ts';
import { mediaDecider, type MediaState } from '../../domain/media.ts';
import { streamOf } from '../../domain/streams.ts';
import type { ObjectStore } from '../../infra/object-store.ts';
import type { MediaWorkers } from '../../media/worker-pool.ts';
import type { ImageOptions } from '../../media/process-image.ts';
import { handle, loadState, type CommandContext, type Log } from '../handle.ts';
import { storeVariant } from './media-objects.ts';

export type MakeFormatDeps = Log & { readonly objects: ObjectStore; readonly workers: Pick<MediaWorkers, 'process'> };

const FORMATS = { 'image/avif': 'avif', 'image/jpeg': 'jpeg' } as const;

/** A format that a client would rather have than WebP, as the read API asks for it: `image/avif med_…`. */
export const FormatWish = z.string().transform((wish) => wish.split(' ')).pipe(z.tuple([z.enum(['image/avif', 'image/jpeg']), MediaId]))
  .transform(([contentType, mediaId]) => ({ contentType, mediaId }));
export type FormatWish = z.output<typeof FormatWish>;

/**
 * Makes the sizes of a ready medium in one more format and records it. `nothing`: they are there already, or the medium is
 * not ready, or its file cannot be made into them; what is served stays as it is.
 */
export async function makeFormat(deps: MakeFormatDeps, context: CommandContext, { mediaId, contentType }: FormatWish): Promise<'made' | 'nothing'> {
  const media = await loadState(deps, mediaDecider, streamOf.media(mediaId));
  if (media.status !== 'processed' || media.variants.some((variant) => variant.contentType === contentType)) return 'nothing';
  const source = await deps.objects.get(sourceOf(media));
  if (!source.ok) return 'nothing';
  const made = await deps.workers.process(await buffer(source.body), { ...optionsOf(media), format: FORMATS[contentType], blurhash: false });
  if (!made.ok) return 'nothing';
  const variants = await Promise.all(made.variants.map((variant) => storeVariant(deps.objects, mediaId, variant)));
  const handled = await handle(deps, context, {
    decider: mediaDecider,
    streamId: streamOf.media(mediaId),
    command: { type: 'RecordFormat', variants },
    owners: ({ data }) => [data.ownerId],
  });
  if (!handled.ok) throw new Error(`recording a format of ${mediaId} was refused: ${handled.refusal.code}`);
  return handled.events.length === 0 ? 'nothing' : 'made';
}

type Ready = Extract<MediaState, { status: 'processed' }>;

// A video's file is no picture: its poster is.
const sourceOf = ({ kind, key, variants }: Ready) => (kind === 'image' ? key : variants.find(({ name }) => name === 'original')?.key ?? key);

function optionsOf({ kind, filter, variants }: Ready): ImageOptions {
  return { sizes: [...new Set(variants.map(({ name }) => name))], ...(kind === 'video' || filter === null ? {} : { filter }) };
}
