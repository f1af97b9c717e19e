import { limitsOf } from '../infra/redis/rate-limit.ts';

/** The limits of an installation that says nothing of them, for tests that change one or two. */
export const USUAL_LIMITS = limitsOf({
  LIMIT_REQUESTS_PER_HOUR: 1_000,
  LIMIT_POSTS_PER_DAY: 50,
  LIMIT_FOLLOWS_PER_HOUR: 200,
  LIMIT_LIKES_PER_HOUR: 500,
  LIMIT_FAILED_LOGINS: 10,
  LIMIT_FAILED_LOGINS_PER_ADDRESS: 30,
});
