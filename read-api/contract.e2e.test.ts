import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../domain/ids.ts';
import { Position } from '../domain/position.ts';
import { encodeToken } from '../infra/event-store/consistency-token.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';

let world: ReadWorld;
let ann: AccountId;
beforeAll(async () => {
  world = await openReadWorld();
  ann = await world.person('ann');
});
afterAll(() => world.close());

describe('a read with a Consistency-Token', () => {
  it('sees the write that the token came with', async () => {
    for (let i = 0; i < 10; i += 1) {
      await world.follow(await world.person(`fan${String(i)}`), ann);
      const answer = await world.get('/v1/users/ann', ann);
      expect(answer.body).toMatchObject({ follower_count: i + 1 });
      expect(answer.headers.get('x-consistency')).toBeNull();
    }
  });

  it('answers all the same, and says so, when the models do not come that far', async () => {
    const ahead = encodeToken({
      storeId: world.store.storeId,
      position: Position.parse('f'.repeat(32)),
      owners: 'all',
    });
    const answer = await world.get('/v1/users/ann', ann, { 'Consistency-Token': ahead });
    expect([answer.status, answer.headers.get('x-consistency')]).toEqual([200, 'behind']);
  });

  it('does not care for a token of another log, nor for what is none', async () => {
    const foreign = encodeToken({
      storeId: '00000000-0000-4000-8000-000000000000',
      position: Position.parse('f'.repeat(32)),
      owners: 'all',
    });
    for (const tokens of [foreign, 'nonsense', `nonsense, ${foreign}`, ',,']) {
      const answer = await world.get('/v1/users/ann', ann, { 'Consistency-Token': tokens });
      expect([answer.status, answer.headers.get('x-consistency')], tokens).toEqual([200, null]);
    }
  });
});

describe('GET /openapi.json', () => {
  it('describes every read of the contract, but for those of feeds, which come with them', async () => {
    const { paths } = (await (await fetch(`${world.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    expect(Object.keys(paths).sort()).toEqual([
      '/v1/comments/{id}/replies',
      '/v1/feed/hashtag/{tag}',
      '/v1/feed/location/{id}',
      '/v1/feed/user/{username}',
      '/v1/follow-requests',
      '/v1/hashtags/trending',
      '/v1/posts/{id}',
      '/v1/posts/{id}/comments',
      '/v1/posts/{id}/likes',
      '/v1/posts/{id}/status',
      '/v1/saved',
      '/v1/search',
      '/v1/stories/{id}/viewers',
      '/v1/users/search',
      '/v1/users/suggestions',
      '/v1/users/{username}',
      '/v1/users/{username}/followers',
      '/v1/users/{username}/following',
      '/v1/users/{username}/mutuals',
      '/v1/users/{username}/stories',
    ]);
  });

  it('asks for a login on every one of them', async () => {
    const { paths } = (await (await fetch(`${world.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    for (const path of Object.keys(paths)) {
      const answer = await fetch(world.url + path.replace(/\{\w+\}/, 'x'));
      expect([answer.status, answer.headers.get('content-type')], path).toEqual([
        401,
        'application/problem+json; charset=utf-8',
      ]);
    }
  });
});
