import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import { followersOf, followingOf, mutualsWith } from '../../projections/queries/account-lists.ts';
import type { Page } from '../../projections/queries/page.ts';
import { PROFILE_MODELS, profileByUsername, visibleAccount } from '../../projections/queries/profiles.ts';
import type { ReadContext } from '../../projections/projection.ts';
import { storiesByAuthor, STORY_CARD_MODELS } from '../../projections/queries/story-cards.ts';
import type { ListedUser } from '../../projections/queries/user-cards.ts';
import { pageOf, pageQuery, Pagination } from '../paging.ts';
import { ListedUserBody, ProfileBody, StoryBody } from '../bodies.ts';
import { type Presenter } from '../presentation.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { usernameParams } from './params.ts';

type Deps = { readonly reader: Reader; readonly present: Presenter };

const tags = ['users'];

/** Profiles and the lists around them. */
export function userRoutes(deps: Deps): Route<ReadRefusal>[] {
  return [
    profileRoute(deps),
    storiesRoute(deps),
    listRoute(deps, { segment: 'followers', summary: 'Who follows an account', list: followersOf }),
    listRoute(deps, { segment: 'following', summary: 'Whom an account follows', list: followingOf }),
    listRoute(deps, {
      segment: 'mutuals',
      summary: 'Whom of your own followees an account has among its followers',
      list: mutualsWith,
    }),
  ];
}

function profileRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/users/{username}',
    summary: 'A profile',
    tags,
    auth: 'account',
    params: usernameParams,
    problems: { 404: '`user_not_found`' },
    responses: { 200: ProfileBody },
    handler: async ({ account, params, tokens }) => {
      const { read, headers } = await reader.open(tokens, PROFILE_MODELS);
      const profile = await profileByUsername(read, account.id, params.username);
      return profile === undefined
        ? refuse('user_not_found')
        : { status: 200, headers, body: present.profile(profile) };
    },
  });
}

function storiesRoute({ reader, present }: Deps): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: '/v1/users/{username}/stories',
    summary: 'The stories that an account shows now, oldest first',
    tags,
    auth: 'account',
    params: usernameParams,
    problems: { 404: '`user_not_found`' },
    responses: { 200: z.object({ stories: z.array(StoryBody) }) },
    handler: async ({ account, params, tokens, context }) => {
      const { read, headers } = await reader.open(tokens, STORY_CARD_MODELS);
      const author = await visibleAccount(read, account.id, params.username);
      if (author === undefined) return refuse('user_not_found');
      const stories = await storiesByAuthor(read, account.id, author.account_id, context.now);
      return { status: 200, headers, body: { stories: stories.map((story) => present.story(story, account.id)) } };
    },
  });
}

type Listing = {
  readonly segment: 'followers' | 'following' | 'mutuals';
  readonly summary: string;
  readonly list: (
    read: ReadContext,
    asked: { viewer: AccountId; of: AccountId; page: Page<AccountId> },
  ) => Promise<ListedUser[]>;
};

function listRoute({ reader, present }: Deps, { segment, summary, list }: Listing): Route<ReadRefusal> {
  return defineRoute({
    method: 'get',
    path: `/v1/users/{username}/${segment}`,
    summary,
    tags,
    auth: 'account',
    params: usernameParams,
    problems: {
      400: '`validation_failed`',
      404: '`user_not_found`, also for a private account that you do not follow',
    },
    query: pageQuery(AccountId),
    responses: { 200: z.object({ users: z.array(ListedUserBody), pagination: Pagination }) },
    handler: async ({ account, params, query, tokens }) => {
      const { read, headers } = await reader.open(tokens, ['accounts', 'follows', 'relationships', 'media']);
      const of = await visibleAccount(read, account.id, params.username);
      if (of === undefined) return refuse('user_not_found');
      const rows = await list(read, {
        viewer: account.id,
        of: of.account_id,
        page: { after: query.cursor, limit: query.limit },
      });
      const { items, pagination } = pageOf(rows, query.limit, (user) => user.account_id);
      return { status: 200, headers, body: { users: items.map(present.listedUser), pagination } };
    },
  });
}
