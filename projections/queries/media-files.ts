import type { ServedVariant } from '../models/media.ts';
import type { Builds, ReadContext } from '../projection.ts';

/** A file that is served: one representation of one size of a medium. */
export type MediaFile = {
  readonly media_id: string;
  readonly key: string;
  readonly content_type: string;
  readonly is_private: boolean;
};

/** Name of the list of formats that clients would rather have, each as `<content type> <media id>`. */
export const FORMAT_WISHES = 'media-formats';

/** The models that `mediaFiles` reads. */
export const MEDIA_FILE_MODELS = ['media', 'accounts', 'posts', 'stories'] as const;

// The key of every file that is made of a medium carries the medium's id.
const ID_IN_KEY = /(?:^|\/)(med_[0-7][0-9a-hjkmnp-tv-z]{25})(?:\/|$)/;

/**
 * All representations of the size that a key belongs to, the key's own first; none when it belongs to no ready medium
 * of an active account, so that uploads and deleted media are never served. `is_private`: an address must be signed,
 * because the account is private, or because all that shows the medium is archived.
 */
export async function mediaFiles({ sql, builds }: ReadContext, key: string): Promise<MediaFile[]> {
  const mediaId = ID_IN_KEY.exec(key)?.[1];
  if (mediaId === undefined) return [];
  const { rows } = await sql.query<FilesRow>(
    `select a.is_private or ${archived(builds, 'm', 'a')} as is_private, m.variants, m.playlist
     from ${builds.schema('media')}.media m
     join ${builds.schema('accounts')}.account a on a.account_id = m.owner_id and a.status = 'active'
     where m.media_id = $1 and m.status = 'ready'`,
    [mediaId],
  );
  return rows.flatMap(({ is_private, variants, playlist }) => {
    const files = isStreamFile(playlist, key)
      ? [{ key, contentType: streamTypeOf(key) }]
      : representationsOf(variants, key);
    return files.map((file) => ({ media_id: mediaId, key: file.key, content_type: file.contentType, is_private }));
  });
}

// SQL: an archived post shows the medium, and nothing that others may see does.
function archived(builds: Builds, medium: string, owner: string): string {
  const posts = builds.schema('posts');
  const shownBy = (status: string) =>
    `exists (select from ${posts}.post_media x join ${posts}.post p on p.post_id = x.post_id where x.media_id = ${medium}.media_id and p.status = '${status}')`;
  const story = `exists (select from ${builds.schema('stories')}.story s where s.media_id = ${medium}.media_id and s.status = 'published')`;
  return `(${owner}.profile_media_id is distinct from ${medium}.media_id and ${shownBy('archived')} and not ${shownBy('published')} and not ${story})`;
}

type FilesRow = { readonly is_private: boolean; readonly variants: ServedVariant[]; readonly playlist: string | null };

/** Playlists of videos: they name the other files of theirs relative to themselves. */
export const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

// All files of a video lie beside and below its first playlist; which there are, the object store knows.
function isStreamFile(playlist: string | null, key: string): boolean {
  return (
    playlist !== null && key.startsWith(playlist.slice(0, playlist.lastIndexOf('/') + 1)) && /\.(?:m3u8|ts)$/.test(key)
  );
}

const streamTypeOf = (key: string) => (key.endsWith('.m3u8') ? PLAYLIST_TYPE : 'video/mp2t');

function representationsOf(variants: readonly ServedVariant[], key: string): ServedVariant[] {
  const asked = variants.find((variant) => variant.key === key);
  return asked === undefined
    ? []
    : [asked, ...variants.filter((variant) => variant.name === asked.name && variant !== asked)];
}
