import { z } from 'zod';
import { Privacy } from '../../domain/account-events.ts';
import { accountDecider } from '../../domain/account.ts';
import { AccountId, MediaId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { mediaDecider } from '../../domain/media.ts';
import { streamOf } from '../../domain/streams.ts';
import { nameText, proseText, webAddress } from '../../domain/text.ts';
import { handle, loadState, type CommandContext, type Log } from '../handle.ts';
import { ownAccount } from './own-account.ts';

export const EditProfileInput = z.object({
  accountId: AccountId,
  username: z.string(),
  change: z.object({
    fullName: nameText(LIMITS.fullName).optional(),
    bio: proseText(LIMITS.bio).optional(),
    website: webAddress(LIMITS.website).optional(),
    profileMediaId: MediaId.nullable().optional(),
    privacy: Privacy.optional(),
  }),
});
export type EditProfileInput = z.infer<typeof EditProfileInput>;

/** Changes one's own profile; gives the account as it is afterwards. An empty text clears its field. */
export async function editProfile(
  log: Log,
  context: CommandContext,
  { accountId, username, change }: EditProfileInput,
) {
  const own = await ownAccount(log, accountId, username);
  if (!own.ok) return own;
  const handled = await handle(log, context, {
    decider: accountDecider,
    streamId: streamOf.account(accountId),
    command: {
      type: 'EditProfile',
      change,
      pictureUsable: await isUsablePicture(log, accountId, change.profileMediaId),
    },
    owners: () => [accountId],
  });
  if (!handled.ok) return handled;
  if (handled.state.status !== 'active')
    throw new Error(`${accountId} edited its profile and is ${handled.state.status}`);
  return { ok: true as const, account: handled.state, written: handled.written };
}

async function isUsablePicture(log: Log, accountId: AccountId, mediaId: MediaId | null | undefined): Promise<boolean> {
  if (mediaId === null || mediaId === undefined) return true;
  const medium = await loadState(log, mediaDecider, streamOf.media(mediaId));
  return medium.status === 'processed' && medium.ownerId === accountId && medium.kind === 'image';
}
