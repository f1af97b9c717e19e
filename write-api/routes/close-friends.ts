import { z } from 'zod';
import { addCloseFriend, removeCloseFriend } from '../../commands/relations/add-close-friend.ts';
import type { AccountFinder } from '../../commands/accounts/find-account.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { WriteRefusal } from '../problem.ts';
import { UsernameInPath } from './username-in-path.ts';

const CloseFriend = z.object({ username: z.string(), close_friend: z.boolean() });
const verbs = [
  {
    method: 'post',
    summary: 'Let an account see your stories for close friends; it is not told',
    command: addCloseFriend,
  },
  { method: 'delete', summary: 'Take an account off your close friends', command: removeCloseFriend },
] as const;

/** Choosing who sees stories for close friends. */
export function closeFriendRoutes(deps: AccountFinder): Route<WriteRefusal>[] {
  return verbs.map(({ method, summary, command }) =>
    defineRoute({
      method,
      path: '/v1/users/{username}/close-friend',
      summary,
      tags: ['close friends'],
      auth: 'account',
      params: UsernameInPath,
      responses: { 200: CloseFriend },
      handler: async ({ params: { username }, account, context }) => {
        const done = await command(deps, context, { accountId: account.id, username });
        return done.ok
          ? { status: 200, body: { username, close_friend: done.closeFriend }, written: done.written }
          : done;
      },
    }),
  );
}
