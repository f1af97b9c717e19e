import type { AccountId } from '../domain/ids.ts';
import type { ReadContext } from './projection.ts';

/** A file that is served: one representation of one size of a medium. */
export type MediaFile = { readonly key: string; readonly content_type: string; readonly owner_id: AccountId; readonly is_private: boolean };

/** The models that `mediaFiles` reads. */
export const MEDIA_FILE_MODELS = ['media', 'accounts'] as const;

/**
 * All representations of the size that a key belongs to, the key's own first; none when it belongs to no ready medium of
 * an active account, so that uploads and deleted media are never served. `is_private`: an address must be signed.
 */
export async function mediaFiles({ sql, builds }: ReadContext, key: string): Promise<MediaFile[]> {
  const media = builds.schema('media');
  const { rows } = await sql.query<MediaFile>(
    `select f.key, f.content_type, m.owner_id, a.is_private
     from ${media}.media_file asked
     join ${media}.media_file f on f.media_id = asked.media_id and f.name = asked.name
     join ${media}.media m on m.media_id = f.media_id and m.status = 'ready'
     join ${builds.schema('accounts')}.account a on a.account_id = m.owner_id and a.status = 'active'
     where asked.key = $1 order by f.key <> $1, f.key`,
    [key],
  );
  return rows;
}
