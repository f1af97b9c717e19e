import type { Express, RequestHandler } from 'express';
import { createHttpApp } from '../infra/http/app.ts';
import { CONTRACT_METHODS } from '../infra/http/contract-methods.ts';
import type { HealthCheck } from '../infra/http/health.ts';
import type { Route } from '../infra/http/route.ts';
import type { Authenticator, RateLimiter } from '../infra/http/services.ts';
import type { Log } from '../infra/process/log.ts';
import type { MediaAddresses } from '../infra/object-store/media-addresses.ts';
import type { ObjectStore } from '../infra/object-store/object-store.ts';
import { mediaHandler } from './media-handler.ts';
import { createPresenter } from './presentation.ts';
import { problemOf, problemOfError, type ReadRefusal } from './problem.ts';
import type { Reader } from './reading.ts';
import { commentRoutes } from './routes/comments.ts';
import { peopleRoutes } from './routes/people.ts';
import { postFeedRoutes } from './routes/post-feeds.ts';
import { postRoutes } from './routes/posts.ts';
import { searchRoutes } from './routes/search.ts';
import { storyRoutes } from './routes/stories.ts';
import { userRoutes } from './routes/users.ts';

export type ReadApiDeps = {
  readonly reader: Reader;
  /**
   * Says which files may be served: give it the primary. A cache keeps for a year what a replica behind it lets pass.
   * Default: `reader`.
   */
  readonly fileReader?: Reader;
  readonly addresses: MediaAddresses;
  readonly objects: ObjectStore;
  readonly onWish?: (wish: string) => void;
  readonly authenticator: Authenticator;
  readonly rateLimiter: RateLimiter;
  readonly log: Log;
  readonly health: Readonly<Record<string, HealthCheck>>;
  /** Who may name a client's address; nobody by default. */
  readonly trustedProxies?: readonly string[];
  /** The routes of feeds and trays, which read Redis as well. */
  readonly feedRoutes: readonly Route<ReadRefusal>[];
  readonly metrics?: RequestHandler;
  /** Checks every answer against its schema; for tests. */
  readonly checkAnswers?: boolean;
};

/** The read side over HTTP: every GET of the contract, and the media files. */
export function createReadApi(deps: ReadApiDeps): Express {
  const { reader, fileReader = reader, addresses, objects, onWish, feedRoutes, ...shared } = deps;
  const own = { reader, present: createPresenter(addresses) };
  return createHttpApp<ReadRefusal>({
    ...shared,
    title: 'Shutterlog read API',
    version: '1',
    description:
      'Profiles, posts, comments, stories, searches and feeds. Send the `Consistency-Token` of a write to read what it wrote.',
    contract: CONTRACT_METHODS,
    routes: [
      ...userRoutes(own),
      ...peopleRoutes(own),
      ...postRoutes(own),
      ...commentRoutes(own),
      ...postFeedRoutes(own),
      ...storyRoutes(own),
      ...searchRoutes(own),
      ...feedRoutes,
    ],
    extras: [mediaHandler({ reader: fileReader, objects, addresses, ...(onWish === undefined ? {} : { onWish }) })],
    problemOf,
    problemOfError,
  });
}
