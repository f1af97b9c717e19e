import type { AccountId } from '../../domain/ids.ts';
import type { MediaKeys } from '../models/media.ts';
import type { Builds } from '../projection.ts';
import { follows } from './viewer-rules.ts';

/** An account as it stands beside what it shares, and in lists. `picture` are the keys of its profile picture. */
export type UserCard = {
  readonly account_id: AccountId;
  readonly username: string;
  readonly full_name: string | null;
  readonly is_private: boolean;
  readonly is_verified: boolean;
  readonly picture: MediaKeys | null;
};

/** A card with what lists say about the viewer. */
export type ListedUser = UserCard & { readonly is_following: boolean };

/** SQL: the columns of a UserCard, off a row of `account`. */
export function userColumns(builds: Builds, account: string): string {
  return `${account}.account_id, coalesce(${account}.username, '') as username, ${account}.full_name, ${account}.is_private, ${account}.is_verified,
    (select m.keys from ${builds.schema('media')}.media m where m.media_id = ${account}.profile_media_id and m.status = 'ready') as picture`;
}

/** SQL: the columns of a ListedUser. */
export function listedUserColumns(builds: Builds, viewer: string, account: string): string {
  return `${userColumns(builds, account)}, ${follows(builds, viewer, `${account}.account_id`)} as is_following`;
}
