import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { IMMUTABLE_CACHE_CONTROL, type ObjectInfo } from './object-store.ts';
import { unless, unlinkIfThere } from './object-store-disk.ts';
import { commit, stage, TooManyBytes, type StagedBytes } from './object-store-files.ts';

/** What arrived at the upload route. `search` is the query string as received. */
export interface IncomingUpload {
  readonly key: string;
  readonly search: string;
  readonly contentType: string | undefined;
  readonly body: Readable;
}

export type UploadOutcome =
  | { readonly ok: true; readonly info: ObjectInfo }
  | {
      readonly ok: false;
      readonly code:
        | 'signature_invalid'
        | 'signature_expired'
        | 'upload_replayed'
        | 'upload_type_mismatch'
        | 'upload_size_mismatch'
        | 'upload_checksum_mismatch';
    };

/** What the signature of an upload address vouches for. */
export const uploadClaims = z.object({
  type: z.string().min(1),
  size: z.coerce.number().int().nonnegative(),
  sha256: z.string().optional(),
  grant: z.uuid(),
});
type UploadClaims = z.infer<typeof uploadClaims>;

/** Takes an upload whose signature is good; `claims` are what was signed. */
export async function acceptPromised(
  dir: string,
  upload: IncomingUpload,
  claims: UploadClaims,
): Promise<UploadOutcome> {
  if (upload.contentType !== claims.type) return { ok: false, code: 'upload_type_mismatch' };
  const usedGrant = join(dir, 'used-grants', claims.grant);
  if (await stat(usedGrant).catch(unless('ENOENT', null))) return { ok: false, code: 'upload_replayed' };
  const staged = await stage(dir, upload.body, claims.size).catch((error: unknown) => {
    if (error instanceof TooManyBytes) return null;
    throw error;
  });
  if (!staged) return { ok: false, code: 'upload_size_mismatch' };
  const wrong = whatDiffers(staged, claims);
  if (wrong) {
    await unlinkIfThere(staged.path);
    return { ok: false, code: wrong };
  }
  const info = await commit(dir, upload.key, staged, {
    contentType: claims.type,
    cacheControl: IMMUTABLE_CACHE_CONTROL,
    onlyIfAbsent: true,
  });
  if (!info) return { ok: false, code: 'upload_replayed' };
  await mkdir(join(dir, 'used-grants'), { recursive: true });
  await writeFile(usedGrant, '', { flush: true });
  return { ok: true, info };
}

function whatDiffers(
  staged: StagedBytes,
  claims: UploadClaims,
): 'upload_size_mismatch' | 'upload_checksum_mismatch' | null {
  if (staged.size !== claims.size) return 'upload_size_mismatch';
  return claims.sha256 !== undefined && claims.sha256 !== staged.checksumSha256 ? 'upload_checksum_mismatch' : null;
}
