import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../domain/ids.ts';
import type { HttpAnswer } from '../testing/http.ts';
import { happened } from '../testing/projection-spec.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';

let world: ReadWorld;
let ann: AccountId;
let ben: AccountId;
beforeAll(async () => {
  world = await openReadWorld();
  ann = await world.person('ann', { fullName: 'Ann Müller' });
  ben = await world.person('ben');
});
afterAll(() => world.close());

const block = (blockerId: AccountId, blockedId: AccountId) =>
  world.tell(happened('AccountBlocked', { blockerId, blockedId }));
const names = ({ body }: HttpAnswer) => (body as { users: { username: string }[] }).users.map((user) => user.username);
const cursorOf = ({ body }: HttpAnswer) =>
  (body as { pagination: { next_cursor: string | null } }).pagination.next_cursor;

describe('GET /v1/users/{username}', () => {
  it('shows a profile with exact counts and how the two stand to each other, whatever the case of the name', async () => {
    const carla = await world.person('carla');
    const picture = await world.medium(carla);
    await world.tell(
      happened('ProfileEdited', { accountId: carla, bio: 'sea and sand', website: 'https://example.org' }),
      happened('ProfilePictureChosen', { accountId: carla, mediaId: picture }),
    );
    await world.follow(ben, carla);
    await world.follow(carla, ben);
    await world.follow(ann, carla);
    await world.post(carla);
    expect((await world.get('/v1/users/CARLA', ben)).body).toMatchObject({
      username: 'carla',
      bio: 'sea and sand',
      website: 'https://example.org',
      profile_picture: `/media/media/${picture}/thumbnail.webp`,
      profile_picture_urls: {
        150: `/media/media/${picture}/thumbnail.webp`,
        320: `/media/media/${picture}/small.webp`,
        640: `/media/media/${picture}/medium.webp`,
      },
      is_private: false,
      is_verified: false,
      follower_count: 2,
      following_count: 1,
      post_count: 1,
      is_following: true,
      is_followed_by: true,
    });
    expect((await world.get('/v1/users/carla', ann)).body).toMatchObject({ is_following: true, is_followed_by: false });
  });

  it('shows the squares of a profile picture once they are made', async () => {
    const dora = await world.person('dora');
    const picture = await world.medium(dora);
    const square = (name: 'profile_small' | 'profile_medium', side: number) => ({
      name,
      key: `media/${picture}/${name}.webp`,
      contentType: 'image/webp',
      width: side,
      height: side,
      bytes: 10,
      sha256: 'a'.repeat(64),
    });
    await world.tell(
      happened('ProfilePictureChosen', { accountId: dora, mediaId: picture }),
      happened('MediaFormatMade', {
        mediaId: picture,
        ownerId: dora,
        variants: [square('profile_small', 320), square('profile_medium', 640)],
      }),
    );
    const of = (name: string) => `/media/media/${picture}/${name}.webp`;
    expect((await world.get('/v1/users/dora', ben)).body).toMatchObject({
      profile_picture_urls: { 150: of('thumbnail'), 320: of('profile_small'), 640: of('profile_medium') },
    });
    await world.objects.put(`media/${picture}/profile_small.webp`, Buffer.from('square'), {
      contentType: 'image/webp',
    });
    expect(await (await fetch(world.url + of('profile_small'))).text()).toBe('square');
  });

  it('shows the head of a private profile, and that one has asked to follow it', async () => {
    const shy = await world.person('shy', { privacy: 'private' });
    await world.tell(happened('FollowRequested', { followerId: ben, followeeId: shy }));
    expect((await world.get('/v1/users/shy', ben)).body).toMatchObject({
      is_private: true,
      is_following: false,
      has_requested: true,
    });
  });

  it('hides two accounts from each other once either blocks the other, and an erased one from everybody', async () => {
    const [dan, eve] = [await world.person('dan'), await world.person('eve')];
    await block(dan, eve);
    expect((await world.get('/v1/users/dan', eve)).body).toMatchObject({ status: 404, code: 'user_not_found' });
    expect((await world.get('/v1/users/eve', dan)).status).toBe(404);
    expect((await world.get('/v1/users/eve', ben)).status).toBe(200);
    await world.tell(happened('AccountErased', { accountId: eve }));
    expect((await world.get('/v1/users/eve', ben)).status).toBe(404);
    expect((await world.get('/v1/users/nobody', ben)).status).toBe(404);
  });
});

describe('GET /v1/users/{username}/followers and /following', () => {
  it('gives full pages of those whom the viewer may meet, without gap or repeat', async () => {
    const star = await world.person('star');
    const fans = [];
    for (let i = 0; i < 7; i += 1) fans.push(await world.person(`fan${String(i)}`));
    for (const fan of fans) await world.follow(fan, star);
    await block(fans[2]!, ben);
    await block(ben, fans[3]!);
    const first = await world.get('/v1/users/star/followers?limit=3', ben);
    expect(names(first)).toHaveLength(3);
    const second = await world.get(`/v1/users/star/followers?limit=3&cursor=${cursorOf(first)!}`, ben);
    expect(second.body).toMatchObject({ pagination: { has_more: false, next_cursor: null } });
    expect([...names(first), ...names(second)].sort()).toEqual(['fan0', 'fan1', 'fan4', 'fan5', 'fan6']);
    expect(names(await world.get('/v1/users/fan5/following', ben))).toEqual(['star']);
  });

  it('shows the lists of a private account to its followers alone', async () => {
    const veiled = await world.person('veiled', { privacy: 'private' });
    await world.follow(veiled, ann);
    for (const list of ['followers', 'following', 'mutuals', 'stories']) {
      expect((await world.get(`/v1/users/veiled/${list}`, ben)).status, list).toBe(404);
      expect((await world.get(`/v1/users/veiled/${list}`, veiled)).status, list).toBe(200);
    }
    await world.follow(ben, veiled);
    expect(names(await world.get('/v1/users/veiled/following', ben))).toEqual(['ann']);
  });

  it('refuses a cursor that is none and a limit out of range, saying which', async () => {
    for (const query of [
      'cursor=nonsense',
      `cursor=${Buffer.from('{"at":1}').toString('base64url')}`,
      'limit=0',
      'limit=101',
      'limit=x',
    ]) {
      const answer = await world.get(`/v1/users/ann/followers?${query}`, ben);
      expect(answer.body, query).toMatchObject({
        status: 400,
        code: 'validation_failed',
        errors: [{ path: `query.${query.split('=')[0]!}` }],
      });
    }
  });
});

describe('GET /v1/users/{username}/mutuals', () => {
  it("names those of the viewer's own followees who follow the account", async () => {
    const [viewer, target] = [await world.person('viewer'), await world.person('target')];
    const [both, onlyMine, onlyTheirs] = [
      await world.person('both'),
      await world.person('onlymine'),
      await world.person('onlytheirs'),
    ];
    for (const [a, b] of [
      [viewer, both],
      [viewer, onlyMine],
      [both, target],
      [onlyTheirs, target],
    ] as const)
      await world.follow(a, b);
    expect(names(await world.get('/v1/users/target/mutuals', viewer))).toEqual(['both']);
    expect(names(await world.get('/v1/users/target/mutuals', onlyMine))).toEqual([]);
  });
});

describe('GET /v1/users/suggestions', () => {
  it('puts friends of friends first and leaves out whom one follows, asked, mutes, blocks or is', async () => {
    const me = await world.person('myself');
    const [friend, other] = [await world.person('friend'), await world.person('otherfriend')];
    const [near, nearer] = [await world.person('near'), await world.person('nearer')];
    const [asked, muted, blocked] = [
      await world.person('asked', { privacy: 'private' }),
      await world.person('muted'),
      await world.person('blocked'),
    ];
    for (const [a, b] of [
      [me, friend],
      [me, other],
      [friend, near],
      [friend, nearer],
      [other, nearer],
      [friend, asked],
      [friend, muted],
      [friend, blocked],
      [friend, me],
    ] as const)
      await world.follow(a, b);
    await world.tell(
      happened('FollowRequested', { followerId: me, followeeId: asked }),
      happened('AccountMuted', { muterId: me, mutedId: muted }),
      happened('AccountBlocked', { blockerId: blocked, blockedId: me }),
    );
    const answer = await world.get('/v1/users/suggestions?limit=100', me);
    const suggested = names(answer);
    expect(suggested.slice(0, 2)).toEqual(['nearer', 'near']);
    for (const name of ['myself', 'friend', 'otherfriend', 'asked', 'muted', 'blocked'])
      expect(suggested).not.toContain(name);
    expect((answer.body as { users: unknown[] }).users.slice(0, 3)).toMatchObject([
      { mutual_count: 2 },
      { mutual_count: 1 },
      { mutual_count: 0 },
    ]);
    const first = await world.get('/v1/users/suggestions?limit=1', me);
    expect(names(await world.get(`/v1/users/suggestions?limit=1&cursor=${cursorOf(first)!}`, me))).toEqual(['near']);
  });
});

describe('GET /v1/follow-requests', () => {
  it("lists the requests to oneself, newest first, and none of anybody else's", async () => {
    const host = await world.person('host', { privacy: 'private' });
    const [g1, g2] = [await world.person('guest1'), await world.person('guest2')];
    await world.tell(
      happened('FollowRequested', { followerId: g1, followeeId: host }, '2026-01-01T00:00:00.000Z'),
      happened('FollowRequested', { followerId: g2, followeeId: host }, '2026-01-02T00:00:00.000Z'),
    );
    expect((await world.get('/v1/follow-requests', host)).body).toMatchObject({
      requests: [
        { user: { username: 'guest2' }, requested_at: '2026-01-02T00:00:00.000Z' },
        { user: { username: 'guest1' } },
      ],
    });
    expect((await world.get('/v1/follow-requests', ben)).body).toMatchObject({ requests: [] });
    expect((await world.get('/v1/follow-requests', g1)).body).toMatchObject({ requests: [] });
  });
});

describe('GET /v1/users/search', () => {
  it('ranks the exact name before beginnings, and those before names in the middle; accents do not matter', async () => {
    await world.person('zoe', { fullName: 'Zoé Laurent' });
    await world.person('zoe.photo');
    await world.person('petra', { fullName: 'Petra Zöe' });
    await world.person('azoesome');
    expect(names(await world.get('/v1/users/search?q=ZOE', ben))).toEqual(['zoe', 'zoe.photo', 'petra', 'azoesome']);
    expect(names(await world.get('/v1/users/search?q=laurént', ben))).toEqual(['zoe']);
    expect(names(await world.get('/v1/users/search?q=@zo', ben))).toEqual(['zoe', 'zoe.photo', 'petra']);
    const first = await world.get('/v1/users/search?q=zoe&limit=2', ben);
    expect(names(await world.get(`/v1/users/search?q=zoe&limit=2&cursor=${cursorOf(first)!}`, ben))).toEqual([
      'petra',
      'azoesome',
    ]);
  });

  it.each([
    ['rafal', 'Rafał Wiśniewski'],
    ['oyvind', 'Øyvind Åsen'],
    ['grossmann', 'Großmann'],
    ['isil', 'Işıl'],
    ['aegir', 'Ægir'],
    ["o'brien", 'Sean O’Brien'],
    ['Sørlie', 'Sorlie'],
  ])('finds by %s the one named %s', async (q, fullName) => {
    const username = `n${randomBytes(4).toString('hex')}`;
    await world.person(username, { fullName });
    expect(names(await world.get(`/v1/users/search?q=${encodeURIComponent(q)}`, ben))).toEqual([username]);
  });

  it('puts the most followed first among equals, takes wildcards literally, and leaves out whom one may not meet', async () => {
    const [q1, q2, q3] = [await world.person('quinn1'), await world.person('quinn2'), await world.person('quinn3')];
    await world.follow(ann, q2);
    await block(q3, ben);
    expect(names(await world.get('/v1/users/search?q=quinn', ben))).toEqual(['quinn2', 'quinn1']);
    expect(names(await world.get('/v1/users/search?q=quinn', ann))).toContain('quinn3');
    expect(names(await world.get('/v1/users/search?q=%25%25%25', ben))).toEqual([]);
    await world.tell(happened('AccountErased', { accountId: q1 }));
    expect(names(await world.get('/v1/users/search?q=quinn', ben))).toEqual(['quinn2']);
    for (const blank of ['', '%20', '%E2%80%8B', '%E2%A0%80'])
      expect((await world.get(`/v1/users/search?q=${blank}`, ben)).status, blank).toBe(400);
  });
});
