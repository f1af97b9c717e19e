import { z } from 'zod';
import { logIn, LogInInput, type LogInDeps } from '../../commands/accounts/log-in.ts';
import { logOut } from '../../commands/accounts/log-out.ts';
import { refreshSession, RefreshSessionInput } from '../../commands/accounts/refresh-session.ts';
import { AccountId } from '../../domain/ids.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { Tokens } from '../../infra/auth/jwt.ts';
import type { Limits } from '../../infra/redis/rate-limit.ts';
import { freshTokens, refreshedTokens } from '../auth.ts';
import { guardLogin } from '../login-guard.ts';
import type { WriteRefusal } from '../problem.ts';

export type SessionRouteDeps = LogInDeps & { readonly tokens: Tokens; readonly limits: Limits };

const tags = ['sessions'];

/** Logging in, staying logged in, logging out. */
export function sessionRoutes(deps: SessionRouteDeps): Route<WriteRefusal>[] {
  const fresh = freshTokens(deps.tokens, deps.sessions);
  return [
    defineRoute({
      method: 'post',
      path: '/v1/users/login',
      summary: 'Log in',
      tags,
      auth: 'none',
      body: LogInInput,
      responses: { 200: z.object({ user_id: AccountId, username: z.string() }) },
      fresh,
      handler: async ({ body, context, address, operator }) => {
        const result = await guardLogin(deps, { username: body.username, address, operator }, () =>
          logIn(deps, context, body),
        );
        return result.ok
          ? { status: 200, body: { user_id: result.accountId, username: result.username }, seed: result.sessionId }
          : result;
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/users/refresh',
      summary: 'Trade a refresh token for new tokens',
      tags,
      auth: 'none',
      body: z.object({ refresh_token: RefreshSessionInput.shape.refreshToken }),
      responses: { 200: z.object({ user_id: AccountId }) },
      fresh: refreshedTokens(deps.tokens, deps.sessions),
      handler: async ({ body, context }) => {
        const refreshed = await refreshSession(deps, context, { refreshToken: body.refresh_token });
        return refreshed.ok
          ? {
              status: 200,
              body: { user_id: refreshed.accountId },
              seed: `${refreshed.sessionId} ${body.refresh_token}`,
            }
          : refreshed;
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/users/logout',
      summary: 'End this session',
      tags,
      auth: 'account',
      responses: { 204: null },
      handler: async ({ account, context }) => {
        await logOut(deps, context, { accountId: account.id, session: account.session });
        return { status: 204 };
      },
    }),
  ];
}
