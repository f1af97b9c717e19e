import { z } from 'zod';
import { MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import { loadState, type CommandContext } from '../../handle.ts';
import { addVariants, type AddVariantsDeps } from './add-variants.ts';

const FORMATS = { 'image/avif': 'avif', 'image/jpeg': 'jpeg' } as const;

/** A format that a client would rather have than WebP, as the read API asks for it: `image/avif med_…`. */
export const FormatWish = z
  .string()
  .transform((wish) => wish.split(' '))
  .pipe(z.tuple([z.enum(['image/avif', 'image/jpeg']), MediaId]))
  .transform(([contentType, mediaId]) => ({ contentType, mediaId }));
export type FormatWish = z.output<typeof FormatWish>;

/**
 * Makes those sizes of a ready medium in one more format that are not there in it, and records them. `nothing`: there
 * are none, or the medium is not ready, or its file cannot be made into them; what is served stays as it is.
 */
export async function makeFormat(
  deps: AddVariantsDeps,
  context: CommandContext,
  { mediaId, contentType }: FormatWish,
): Promise<'made' | 'nothing'> {
  const media = await loadState(deps, mediaDecider, streamOf.media(mediaId));
  if (media.status !== 'processed') return 'nothing';
  const there = new Set(
    media.variants.filter((variant) => variant.contentType === contentType).map(({ name }) => name),
  );
  const sizes = [...new Set(media.variants.map(({ name }) => name))].filter((name) => !there.has(name));
  return sizes.length === 0 ? 'nothing' : addVariants(deps, context, media, { sizes, format: FORMATS[contentType] });
}
