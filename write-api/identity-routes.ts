import type { Route } from '../infra/http/route.ts';
import type { WriteRefusal } from './problem.ts';
import { accountRoutes, type AccountRouteDeps } from './routes/accounts.ts';
import { blockRoutes } from './routes/blocks.ts';
import { closeFriendRoutes } from './routes/close-friends.ts';
import { followRoutes } from './routes/follows.ts';
import { muteRoutes } from './routes/mutes.ts';
import { sessionRoutes } from './routes/sessions.ts';

/** Everything about who somebody is and how accounts stand to each other. */
export function identityRoutes(deps: AccountRouteDeps): Route<WriteRefusal>[] {
  return [
    ...accountRoutes(deps),
    ...sessionRoutes(deps),
    ...followRoutes(deps),
    ...blockRoutes(deps),
    ...muteRoutes(deps),
    ...closeFriendRoutes(deps),
  ];
}
