import type { ServedVariant } from './media.ts';
import type { ReadContext } from './projection.ts';

/** A file that is served: one representation of one size of a medium. */
export type MediaFile = { readonly key: string; readonly content_type: string; readonly is_private: boolean };

/** The models that `mediaFiles` reads. */
export const MEDIA_FILE_MODELS = ['media', 'accounts'] as const;

// The key of every file that is made of a medium carries the medium's id.
const ID_IN_KEY = /(?:^|\/)(med_[0-7][0-9a-hjkmnp-tv-z]{25})(?:\/|$)/;

/**
 * All representations of the size that a key belongs to, the key's own first; none when it belongs to no ready medium of
 * an active account, so that uploads and deleted media are never served. `is_private`: an address must be signed.
 */
export async function mediaFiles({ sql, builds }: ReadContext, key: string): Promise<MediaFile[]> {
  const mediaId = ID_IN_KEY.exec(key)?.[1];
  if (mediaId === undefined) return [];
  const { rows } = await sql.query<{ is_private: boolean; variants: ServedVariant[] }>(
    `select a.is_private, m.variants
     from ${builds.schema('media')}.media m
     join ${builds.schema('accounts')}.account a on a.account_id = m.owner_id and a.status = 'active'
     where m.media_id = $1 and m.status = 'ready'`,
    [mediaId],
  );
  return rows.flatMap(({ is_private, variants }) => representationsOf(variants, key).map((variant) => ({ key: variant.key, content_type: variant.contentType, is_private })));
}

function representationsOf(variants: readonly ServedVariant[], key: string): ServedVariant[] {
  const asked = variants.find((variant) => variant.key === key);
  return asked === undefined ? [] : [asked, ...variants.filter((variant) => variant.name === asked.name && variant !== asked)];
}
