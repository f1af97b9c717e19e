import { accountDecider } from '../../../domain/account.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import { PROFILE_NAMES } from '../../../media/variants.ts';
import { loadState } from '../../handle.ts';
import { addVariants, type AddVariantsDeps } from './add-variants.ts';
import type { Reaction } from '../reaction.ts';

const NAME = 'profile-pictures';

/**
 * Makes the squares of a picture that an account has chosen for its profile, unless they are there or another one has
 * been chosen since. A file that cannot be made into them leaves the profile with the sizes of every photo.
 */
export function profilePictures(deps: AddVariantsDeps): Reaction {
  return {
    name: NAME,
    handles: ['ProfilePictureChosen'],
    begins: 'start',
    react: async (event, context) => {
      if (event.type !== 'ProfilePictureChosen') throw new Error(`${NAME} does not handle ${event.type}`);
      const { accountId, mediaId } = event.data;
      if (mediaId === null) return;
      const account = await loadState(deps, accountDecider, streamOf.account(accountId));
      if (account.status !== 'active' || account.profileMediaId !== mediaId) return;
      const media = await loadState(deps, mediaDecider, streamOf.media(mediaId));
      if (media.status !== 'processed') return;
      const sizes = PROFILE_NAMES.filter((name) => media.variants.every((variant) => variant.name !== name));
      if (sizes.length > 0) await addVariants(deps, context, media, { sizes });
    },
  };
}
