import { z } from 'zod';
import { blockAccount, unblockAccount } from '../../commands/relations/block-account.ts';
import type { AccountFinder } from '../../commands/accounts/find-account.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { WriteRefusal } from '../problem.ts';
import { UsernameInPath } from './username-in-path.ts';

const Blocked = z.object({ username: z.string(), blocked: z.boolean() });
const verbs = [
  {
    method: 'post',
    summary: 'Block an account: follows end both ways, each is hidden from the other',
    command: blockAccount,
  },
  { method: 'delete', summary: 'Lift your block', command: unblockAccount },
] as const;

/** Blocking and unblocking. */
export function blockRoutes(deps: AccountFinder): Route<WriteRefusal>[] {
  return verbs.map(({ method, summary, command }) =>
    defineRoute({
      method,
      path: '/v1/users/{username}/block',
      summary,
      tags: ['blocks'],
      auth: 'account',
      params: UsernameInPath,
      responses: { 200: Blocked },
      handler: async ({ params: { username }, account, context }) => {
        const done = await command(deps, context, { accountId: account.id, username });
        return done.ok ? { status: 200, body: { username, blocked: done.blocked }, written: done.written } : done;
      },
    }),
  );
}
