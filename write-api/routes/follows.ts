import { z } from 'zod';
import type { AccountFinder } from '../../commands/accounts/find-account.ts';
import {
  answerFollowRequest,
  followAccount,
  removeFollower,
  unfollowAccount,
} from '../../commands/relations/follow-account.ts';
import type { FollowState } from '../../domain/follow.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { WriteRefusal } from '../problem.ts';
import { UsernameInPath } from './username-in-path.ts';

const tags = ['follows'];
const Following = z.object({ username: z.string(), status: z.enum(['following', 'requested', 'none']) });
const Follower = z.object({ username: z.string(), status: z.enum(['accepted', 'declined']) });

/** Following, and answering those who ask to. */
export function followRoutes(deps: AccountFinder): Route<WriteRefusal>[] {
  return [follow(deps), unfollow(deps), answer(deps, 'accept'), answer(deps, 'decline'), remove(deps)];
}

type Done = { readonly status: FollowState['status'] };

const bodyOf = (username: string, { status }: Done) => ({ username, status });

function follow(deps: AccountFinder): Route<WriteRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/users/{username}/follow',
    summary: 'Follow an account, or ask a private one',
    tags,
    auth: 'account',
    limits: ['follows'],
    params: UsernameInPath,
    responses: { 200: Following },
    handler: async ({ params: { username }, account, context }) => {
      const done = await followAccount(deps, context, { accountId: account.id, username });
      return done.ok ? { status: 200, body: bodyOf(username, done), written: done.written } : done;
    },
  });
}

function unfollow(deps: AccountFinder): Route<WriteRefusal> {
  return defineRoute({
    method: 'delete',
    path: '/v1/users/{username}/follow',
    summary: 'Stop following, or take a request back',
    tags,
    auth: 'account',
    params: UsernameInPath,
    responses: { 200: Following },
    handler: async ({ params: { username }, account, context }) => {
      const done = await unfollowAccount(deps, context, { accountId: account.id, username });
      return done.ok ? { status: 200, body: bodyOf(username, done), written: done.written } : done;
    },
  });
}

function answer(deps: AccountFinder, verb: 'accept' | 'decline'): Route<WriteRefusal> {
  return defineRoute({
    method: 'post',
    path: `/v1/follow-requests/{username}/${verb}`,
    summary: verb === 'accept' ? 'Let an account follow you' : 'Turn a follow request down',
    tags,
    auth: 'account',
    params: UsernameInPath,
    responses: { 200: Follower },
    handler: async ({ params: { username }, account, context }) => {
      const done = await answerFollowRequest(deps, context, { accountId: account.id, username, answer: verb });
      return done.ok
        ? {
            status: 200,
            body: { username, status: verb === 'accept' ? ('accepted' as const) : ('declined' as const) },
            written: done.written,
          }
        : done;
    },
  });
}

function remove(deps: AccountFinder): Route<WriteRefusal> {
  return defineRoute({
    method: 'delete',
    path: '/v1/users/{username}/follower',
    summary: 'Send a follower away',
    tags,
    auth: 'account',
    params: UsernameInPath,
    responses: { 204: null },
    handler: async ({ params: { username }, account, context }) => {
      const done = await removeFollower(deps, context, { accountId: account.id, username });
      return done.ok ? { status: 204, written: done.written } : done;
    },
  });
}
