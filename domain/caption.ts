import { refuse } from './decider.ts';
import { hashtagsOf, overlongHashtagsOf } from './hashtag.ts';
import { LIMITS } from './limits.ts';

/** Why a caption cannot stand, for its hashtags; undefined when it can. */
export function unfitCaption(caption: string | null) {
  if (caption === null) return undefined;
  const [overlong] = overlongHashtagsOf(caption);
  if (overlong !== undefined)
    return refuse(
      'hashtag_too_long',
      `#${[...overlong].slice(0, 20).join('')}… is longer than ${LIMITS.hashtag} characters`,
    );
  return hashtagsOf(caption).length > LIMITS.hashtagsPerPost
    ? refuse('too_many_hashtags', `a caption may have ${LIMITS.hashtagsPerPost} different hashtags`)
    : undefined;
}
