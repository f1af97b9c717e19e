import { z } from 'zod';
import { AccountId } from '../../domain/ids.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import { followRequestsTo } from '../../projections/queries/account-lists.ts';
import { suggestionsFor } from '../../projections/queries/discovery.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { ListedUserBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import { CursorCount, TimeCursor } from '../cursor.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';

type Deps = { readonly reader: Reader; readonly present: Presenter };

const models = ['accounts', 'follows', 'relationships', 'media'] as const;
const SuggestionCursor = z.object({ mutuals: CursorCount, followers: CursorCount, id: AccountId });

/** People whom the viewer might follow, and who asked to follow the viewer. */
export function peopleRoutes({ reader, present }: Deps): Route<ReadRefusal>[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/users/suggestions',
      summary: 'Accounts that you might follow',
      tags: ['users'],
      auth: 'account',
      query: pageQuery(SuggestionCursor),
      problems: { 400: '`validation_failed`' },
      responses: {
        200: z.object({ users: z.array(ListedUserBody.extend({ mutual_count: z.int() })), pagination: Pagination }),
      },
      handler: async ({ account, query, tokens }) => {
        const { read, headers } = await reader.open(tokens, models);
        const rows = await suggestionsFor(read, account.id, { after: query.cursor, limit: query.limit });
        const { items, pagination } = pageOf(rows, query.limit, (user) => ({
          mutuals: Number(user.mutuals),
          followers: Number(user.followers),
          id: user.account_id,
        }));
        return {
          status: 200,
          headers,
          body: {
            users: items.map((user) => ({ ...present.listedUser(user), mutual_count: Number(user.mutuals) })),
            pagination,
          },
        };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/follow-requests',
      summary: 'Who asked to follow you',
      tags: ['users'],
      auth: 'account',
      query: pageQuery(TimeCursor),
      problems: { 400: '`validation_failed`' },
      responses: {
        200: z.object({
          requests: z.array(z.object({ user: ListedUserBody, requested_at: z.iso.datetime() })),
          pagination: Pagination,
        }),
      },
      handler: async ({ account, query, tokens }) => {
        const { read, headers } = await reader.open(tokens, models);
        const rows = await followRequestsTo(read, {
          viewer: account.id,
          of: account.id,
          page: { after: query.cursor, limit: query.limit },
        });
        const { items, pagination } = pageOf(rows, query.limit, (user) => ({
          at: user.at.toISOString(),
          id: user.account_id,
        }));
        return {
          status: 200,
          headers,
          body: {
            requests: items.map((user) => ({ user: present.listedUser(user), requested_at: user.at.toISOString() })),
            pagination,
          },
        };
      },
    }),
  ];
}
