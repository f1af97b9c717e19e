import type { Method } from './route.ts';

/** What an address takes, by path in OpenAPI notation. */
export type ContractMethods = Readonly<Record<string, readonly Method[]>>;

/**
 * What both APIs take together under their one origin, so that each can tell a method that nobody takes (405, with all
 * that the address does take) from an address that nobody has (404). An API does not start with a route that is missing
 * here, and `testing/stack.e2e.test.ts` compares the whole with what both describe.
 */
export const CONTRACT_METHODS: ContractMethods = {
  '/v1/comments/{id}': ['delete'],
  '/v1/comments/{id}/like': ['delete', 'post'],
  '/v1/comments/{id}/replies': ['get'],
  '/v1/feed': ['get'],
  '/v1/feed/explore': ['get'],
  '/v1/feed/hashtag/{tag}': ['get'],
  '/v1/feed/home': ['get'],
  '/v1/feed/location/{id}': ['get'],
  '/v1/feed/user/{username}': ['get'],
  '/v1/follow-requests': ['get'],
  '/v1/follow-requests/{username}/accept': ['post'],
  '/v1/follow-requests/{username}/decline': ['post'],
  '/v1/hashtags/trending': ['get'],
  '/v1/media/upload-url': ['post'],
  '/v1/media/upload-url/{upload_id}/complete': ['post'],
  '/v1/posts': ['post'],
  '/v1/posts/{id}': ['get', 'delete', 'put'],
  '/v1/posts/{id}/archive': ['delete', 'post'],
  '/v1/posts/{id}/comments': ['get', 'post'],
  '/v1/posts/{id}/like': ['delete', 'post'],
  '/v1/posts/{id}/likes': ['get'],
  '/v1/posts/{id}/save': ['delete', 'post'],
  '/v1/posts/{id}/status': ['get'],
  '/v1/saved': ['get'],
  '/v1/search': ['get'],
  '/v1/stories': ['post'],
  '/v1/stories/feed': ['get'],
  '/v1/stories/{id}': ['delete'],
  '/v1/stories/{id}/view': ['post'],
  '/v1/stories/{id}/viewers': ['get'],
  '/v1/users/login': ['post'],
  '/v1/users/logout': ['post'],
  '/v1/users/refresh': ['post'],
  '/v1/users/register': ['post'],
  '/v1/users/search': ['get'],
  '/v1/users/suggestions': ['get'],
  '/v1/users/{username}': ['get', 'delete', 'put'],
  '/v1/users/{username}/block': ['delete', 'post'],
  '/v1/users/{username}/close-friend': ['delete', 'post'],
  '/v1/users/{username}/follow': ['delete', 'post'],
  '/v1/users/{username}/follower': ['delete'],
  '/v1/users/{username}/followers': ['get'],
  '/v1/users/{username}/following': ['get'],
  '/v1/users/{username}/mutuals': ['get'],
  '/v1/users/{username}/mute': ['delete', 'post'],
  '/v1/users/{username}/password': ['put'],
  '/v1/users/{username}/stories': ['get'],
};
