import { z } from 'zod';
import { muteAccount, unmuteAccount } from '../../commands/relations/mute-account.ts';
import type { AccountFinder } from '../../commands/accounts/find-account.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { WriteRefusal } from '../problem.ts';
import { UsernameInPath } from './username-in-path.ts';

const Muted = z.object({ username: z.string(), muted: z.boolean() });
const verbs = [
  { method: 'post', summary: 'Keep an account out of your feed; it is not told', command: muteAccount },
  { method: 'delete', summary: 'Let an account into your feed again', command: unmuteAccount },
] as const;

/** Muting and unmuting. */
export function muteRoutes(deps: AccountFinder): Route<WriteRefusal>[] {
  return verbs.map(({ method, summary, command }) =>
    defineRoute({
      method,
      path: '/v1/users/{username}/mute',
      summary,
      tags: ['mutes'],
      auth: 'account',
      params: UsernameInPath,
      responses: { 200: Muted },
      handler: async ({ params: { username }, account, context }) => {
        const done = await command(deps, context, { accountId: account.id, username });
        return done.ok ? { status: 200, body: { username, muted: done.muted }, written: done.written } : done;
      },
    }),
  );
}
