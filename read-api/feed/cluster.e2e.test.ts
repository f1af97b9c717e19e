import { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';
import { startRedisCluster } from '../../testing/redis-cluster.ts';

let world: FeedWorld;
beforeAll(async () => { world = await openFeedWorld({ openServer: startRedisCluster }); });
afterAll(() => world.close());

let people = 0;
const person = () => world.person(`cluster${String(people += 1)}`);
const post = (author: AccountId, minutes: number) => world.post(author, { publishedAt: new Date(Date.now() - minutes * 60_000).toISOString() });
const latest = (viewer: AccountId) => world.feed(viewer, '?order=latest');
const masters = () => (world.redis instanceof Cluster ? world.redis.nodes('master') : []);

describe('the home feed on a cluster of three masters', () => {
  it('is kept in buckets on all masters, pulls celebrities, pages by session and comes back when the cluster was emptied', async () => {
    const [ann, star] = [await person(), await person()];
    const viewers = await Promise.all(Array.from({ length: 12 }, person));
    for (const viewer of viewers) for (const author of [ann, star]) await world.follow(viewer, author);
    const posts: PostId[] = [];
    for (let i = 0; i < 6; i += 1) posts.unshift(await post(i % 2 === 0 ? ann : star, 60 - i));
    for (const viewer of viewers) expect(await latest(viewer)).toMatchObject({ status: 200, ids: posts, cache: 'miss', quality: 'normal' });

    await world.tell(happened('CelebrityStatusGranted', { accountId: star, followerCount: 10, threshold: 10 }));
    posts.unshift(await post(star, 2), await post(ann, 3));
    await world.settled();
    for (const viewer of viewers) expect(await latest(viewer)).toMatchObject({ ids: posts, cache: 'hit', quality: 'normal' });
    const held = await Promise.all(masters().map((master) => master.dbsize()));
    expect(held).toHaveLength(3);
    expect(held.every((keys) => keys > 0)).toBe(true);

    const [viewer] = viewers;
    const first = await world.feed(viewer!, '?limit=5');
    const second = await world.feed(viewer!, `?limit=5&cursor=${first.next ?? ''}`);
    expect([...first.ids, ...second.ids].toSorted()).toEqual(posts.toSorted());
    expect(second).toMatchObject({ quality: 'normal', session: first.session });

    await Promise.all(masters().map((master) => master.flushall()));
    expect(await latest(viewer!)).toMatchObject({ status: 200, ids: posts });
    posts.unshift(await post(ann, 1));
    await world.settled();
    expect(await latest(viewer!)).toMatchObject({ status: 200, ids: posts });
  });
});
