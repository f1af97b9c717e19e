import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccountId } from '../domain/ids.ts';
import { START_OF_LOG } from '../domain/position.ts';
import { streamOf } from '../domain/streams.ts';
import { decodeToken } from '../infra/event-store/consistency-token.ts';
import { createTokens, signOperatorToken } from '../infra/auth/jwt.ts';
import { send, textAt, type HttpAnswer, type HttpRequest } from '../testing/http.ts';
import { openIdentityWorld, PASSWORD, type IdentityWorld } from '../testing/identity-world.ts';

let world: IdentityWorld;
let origin: string;
beforeAll(async () => {
  world = await openIdentityWorld();
  origin = await world.serve();
});
afterAll(() => world.close());

type Person = { readonly username: string; readonly id: AccountId; readonly token: string; readonly refresh: string };

let counter = 0;
const freshName = () => `person${String((counter += 1))}`;
const api = (path: string, request: HttpRequest = {}, at = origin) =>
  send(`${at}${path}`, { method: 'POST', ...request });
const registration = (username: string) => ({
  username,
  email: `${username}@example.org`,
  password: PASSWORD,
  full_name: 'Some One',
});
const statusAndCode = ({ status, body }: HttpAnswer) =>
  `${String(status)} ${typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : ''}`.trim();

async function person(at = origin): Promise<Person> {
  const username = freshName();
  const answer = await api('/v1/users/register', { json: registration(username) }, at);
  return {
    username,
    id: AccountId.parse(textAt(answer, 'user_id')),
    token: textAt(answer, 'access_token'),
    refresh: textAt(answer, 'refresh_token'),
  };
}

describe('registering', () => {
  it('answers with the account, tokens and a consistency token', async () => {
    const username = freshName();
    const answer = await api('/v1/users/register', {
      json: { ...registration(username), username: username.toUpperCase() },
    });
    expect(answer).toMatchObject({ status: 201, body: { username, token_type: 'Bearer', expires_in: 3600 } });
    expect(decodeToken(answer.headers.get('consistency-token') ?? '')).toMatchObject({
      storeId: world.store.storeId,
      owners: [textAt(answer, 'user_id')],
    });
    expect((await api('/v1/users/logout', { token: textAt(answer, 'access_token') })).status).toBe(204);
  });

  it('names each wrong field', async () => {
    const answer = await api('/v1/users/register', {
      json: { username: 'a', email: 'no', password: 'short', full_name: 'x'.repeat(101) },
    });
    expect(answer).toMatchObject({
      status: 400,
      body: {
        code: 'validation_failed',
        errors: [{ path: 'username' }, { path: 'email' }, { path: 'password' }, { path: 'full_name' }],
      },
    });
    expect(JSON.stringify(answer.body)).not.toContain('short"');
  });

  it('keeps words out of usernames that stand in addresses', async () => {
    expect(
      (await api('/v1/users/register', { json: { ...registration('search'), email: 's@example.org' } })).status,
    ).toBe(400);
  });

  it('says which of the two is taken', async () => {
    const ann = await person();
    expect(
      statusAndCode(
        await api('/v1/users/register', { json: { ...registration(ann.username), email: 'other@example.org' } }),
      ),
    ).toBe('409 username_taken');
    expect(
      statusAndCode(
        await api('/v1/users/register', {
          json: { ...registration(freshName()), email: `${ann.username}@example.org` },
        }),
      ),
    ).toBe('409 email_taken');
  });
});

describe('an Idempotency-Key', () => {
  const register = (username: string, key: string, change: object = {}) =>
    api('/v1/users/register', { json: { ...registration(username), ...change }, headers: { 'idempotency-key': key } });

  it('makes a repeated registration give the first account, with tokens of its own that work', async () => {
    const [username, key] = [freshName(), randomUUID()];
    const first = await register(username, key);
    const second = await register(username, key);
    expect([second.status, textAt(second, 'user_id'), second.headers.get('consistency-token')]).toEqual([
      201,
      textAt(first, 'user_id'),
      first.headers.get('consistency-token'),
    ]);
    expect(textAt(second, 'refresh_token')).not.toBe(textAt(first, 'refresh_token'));
    for (const answer of [first, second])
      expect(
        (await api('/v1/users/refresh', { json: { refresh_token: textAt(answer, 'refresh_token') } })).status,
      ).toBe(200);
  });

  it('is not for another body, another account may use the same one, and a malformed one is refused', async () => {
    const key = randomUUID();
    expect((await register(freshName(), key)).status).toBe(201);
    expect(statusAndCode(await register(freshName(), key))).toBe('422 idempotency_key_reused');
    expect(statusAndCode(await register(freshName(), 'with space'))).toBe('400 malformed_idempotency_key');
    const [ann, ben, cas] = [await person(), await person(), await person()];
    for (const { token } of [ann, ben])
      expect(
        (await api(`/v1/users/${cas.username}/follow`, { token, headers: { 'idempotency-key': key } })).status,
      ).toBe(200);
    for (const { id } of [ann, ben])
      expect(await world.types(streamOf.follow(id, cas.id))).toEqual(['AccountFollowed']);
  });

  it('lets one of ten at once run and gives the others that answer or tells them to wait', async () => {
    const [username, key] = [freshName(), randomUUID()];
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(username, key)));
    const accounts = new Set(answers.filter(({ status }) => status === 201).map((answer) => textAt(answer, 'user_id')));
    expect(accounts.size).toBe(1);
    expect(
      answers
        .filter(({ status }) => status !== 201)
        .map(statusAndCode)
        .every((each) => each === '409 request_in_flight'),
    ).toBe(true);
    expect(textAt(await register(username, key), 'user_id')).toBe([...accounts][0]);
  });

  it('repeats the first answer even when the world has changed since', async () => {
    const [ann, ben] = [await person(), await person()];
    const headers = { 'idempotency-key': randomUUID() };
    const follow = () => api(`/v1/users/${ben.username}/follow`, { token: ann.token, headers });
    expect((await follow()).body).toEqual({ username: ben.username, status: 'following' });
    await api(`/v1/users/${ben.username}/follow`, { method: 'DELETE', token: ann.token });
    expect((await follow()).body).toEqual({ username: ben.username, status: 'following' });
    expect(await world.types(streamOf.follow(ann.id, ben.id))).toEqual(['AccountFollowed', 'FollowEnded']);
  });

  it('repeats a refusal, too', async () => {
    const [ann, name] = [await person(), freshName()];
    const headers = { 'idempotency-key': randomUUID() };
    const follow = () => api(`/v1/users/${name}/follow`, { token: ann.token, headers });
    expect(statusAndCode(await follow())).toBe('404 user_not_found');
    await api('/v1/users/register', { json: registration(name) });
    expect(statusAndCode(await follow())).toBe('404 user_not_found');
  });

  it('lets a refresh whose answer was lost be repeated without ending the session', async () => {
    const ann = await person();
    const refresh = () =>
      api('/v1/users/refresh', {
        json: { refresh_token: ann.refresh },
        headers: { 'idempotency-key': `refresh-${ann.username}` },
      });
    expect((await refresh()).status).toBe(200);
    const again = await refresh();
    expect((await api('/v1/users/refresh', { json: { refresh_token: textAt(again, 'refresh_token') } })).status).toBe(
      200,
    );
  });

  it('hands out no tokens once the session has ended', async () => {
    const [username, key] = [freshName(), randomUUID()];
    const first = await register(username, key);
    await api('/v1/users/logout', { token: textAt(first, 'access_token') });
    expect(statusAndCode(await register(username, key))).toBe('401 session_ended');
  });
});

describe('sessions', () => {
  it('log in by name and password, and tell an unknown name and a wrong password apart in nothing', async () => {
    const ann = await person();
    expect(await api('/v1/users/login', { json: { username: ann.username, password: PASSWORD } })).toMatchObject({
      status: 200,
      body: { user_id: ann.id, username: ann.username },
    });
    const wrong = await api('/v1/users/login', { json: { username: ann.username, password: 'wrong password' } });
    const unknown = await api('/v1/users/login', { json: { username: 'nobody.here', password: PASSWORD } });
    expect(statusAndCode(wrong)).toBe('401 invalid_credentials');
    const same = ({ status, headers, body }: HttpAnswer) => ({
      status,
      names: [...headers.keys()],
      body: { ...(body as object), request_id: '' },
    });
    expect(same(unknown)).toEqual(same(wrong));
  });

  // As if the time in which two tabs may refresh at once had passed.
  const graceOver = () => world.pool.query("update vault.refresh_token set used_at = used_at - interval '10 seconds'");

  it('give two tabs that refresh at once the same tokens, and end with a later reuse alone', async () => {
    const ann = await person();
    const refresh = () => api('/v1/users/refresh', { json: { refresh_token: ann.refresh } });
    const answers = await Promise.all([refresh(), refresh(), refresh()]);
    const tokens = answers.map((answer) => ({
      access: textAt(answer, 'access_token'),
      refresh: textAt(answer, 'refresh_token'),
    }));
    expect(new Set(tokens.map((each) => JSON.stringify(each))).size).toBe(1);
    expect((await api('/v1/users/refresh', { json: { refresh_token: tokens[0]!.refresh } })).status).toBe(200);
    await graceOver();
    expect(statusAndCode(await refresh())).toBe('401 refresh_token_reused');
  });

  it('rotate refresh tokens and end when an old one comes again', async () => {
    const ann = await person();
    const refresh = (token: string) => api('/v1/users/refresh', { json: { refresh_token: token } });
    const second = textAt(await refresh(ann.refresh), 'refresh_token');
    await graceOver();
    expect(statusAndCode(await refresh(ann.refresh))).toBe('401 refresh_token_reused');
    expect(statusAndCode(await refresh(second))).toBe('401 session_ended');
    expect(statusAndCode(await refresh('made up'))).toBe('401 refresh_token_invalid');
  });

  it('end with a log-out, and leave those of others alone', async () => {
    const [ann, ben] = [await person(), await person()];
    const other = await api('/v1/users/login', { json: { username: ann.username, password: PASSWORD } });
    expect((await api('/v1/users/logout', { token: ann.token })).status).toBe(204);
    const fresh = await world.serve();
    expect(statusAndCode(await api('/v1/users/logout', { token: ann.token }, fresh))).toBe('401 session_ended');
    expect(statusAndCode(await api('/v1/users/refresh', { json: { refresh_token: ann.refresh } }))).toBe(
      '401 session_ended',
    );
    for (const token of [textAt(other, 'access_token'), ben.token])
      expect((await api('/v1/users/logout', { token })).status).toBe(204);
  });

  it('are needed for everything but registering, logging in and refreshing', async () => {
    const ann = await person();
    const closed: [string, string][] = [
      ['POST', '/v1/users/logout'],
      ['PUT', `/v1/users/${ann.username}`],
      ['PUT', `/v1/users/${ann.username}/password`],
      ['DELETE', `/v1/users/${ann.username}`],
      ...['follow', 'block', 'mute', 'close-friend'].flatMap((verb) =>
        ['POST', 'DELETE'].map((method): [string, string] => [method, `/v1/users/${ann.username}/${verb}`]),
      ),
      ['DELETE', `/v1/users/${ann.username}/follower`],
      ['POST', `/v1/follow-requests/${ann.username}/accept`],
      ['POST', `/v1/follow-requests/${ann.username}/decline`],
    ];
    const forged = await createTokens('another secret of 32 characters!!').forAccount(ann.id, randomUUID(), new Date());
    for (const [method, path] of closed) {
      for (const request of [{}, { token: forged }])
        expect([path, statusAndCode(await api(path, { method, ...request }))]).toEqual([path, '401 unauthenticated']);
    }
  });
});

describe('failed log-ins', () => {
  const tenTries = { failed_logins: { capacity: 10, windowMs: 900_000 } };
  const logIn = (at: string, username: string, password: string, headers: Record<string, string> = {}) =>
    api('/v1/users/login', { json: { username, password }, headers }, at);

  it('are stopped after ten, for known and unknown names alike, also against the right password', async () => {
    const at = await world.serve({ limits: world.limits(tenTries) });
    const ann = await person(at);
    for (const name of [ann.username, 'nobody.here']) {
      const answers = await Promise.all(Array.from({ length: 30 }, () => logIn(at, name, 'wrong password')));
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(20);
    }
    const answer = await logIn(at, ann.username.toUpperCase(), PASSWORD);
    expect(statusAndCode(answer)).toBe('429 rate_limited');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('of one account or one address do not stop others', async () => {
    const at = await world.serve({ limits: world.limits(tenTries), trustedProxies: ['loopback'] });
    const [ann, ben] = [await person(at), await person(at)];
    await Promise.all(Array.from({ length: 11 }, () => logIn(at, ann.username, 'wrong password')));
    expect((await logIn(at, ben.username, PASSWORD)).status).toBe(200);
    expect((await logIn(at, ann.username, PASSWORD)).status).toBe(429);
    expect((await logIn(at, ann.username, PASSWORD, { 'x-forwarded-for': '203.0.113.7' })).status).toBe(200);
  });

  it('from one address are stopped whatever the names, and elsewhere not', async () => {
    const at = await world.serve({
      limits: world.limits({ failed_logins_per_address: { capacity: 10, windowMs: 900_000 } }),
      trustedProxies: ['loopback'],
    });
    const ann = await person(at);
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const sprayed = await Promise.all(
      Array.from({ length: 40 }, (_, i) => logIn(at, `name.${i}`, 'Spring2026', from(`2001:db8:7:7::${i}`))),
    );
    expect(sprayed.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(sprayed.filter(({ status }) => status === 429)).toHaveLength(30);
    expect((await logIn(at, ann.username, PASSWORD, from('2001:db8:7:7::ffff'))).status).toBe(429);
    expect((await logIn(at, ann.username, PASSWORD, from('2001:db8:7:8::1'))).status).toBe(200);
  });

  it('count the address of the connection where no proxy is trusted, whatever a client claims', async () => {
    const at = await world.serve({
      limits: world.limits({ failed_logins_per_address: { capacity: 10, windowMs: 900_000 } }),
    });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        logIn(at, `name.${i}`, 'Spring2026', { 'x-forwarded-for': `203.0.113.${i}` }),
      ),
    );
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(10);
  });

  it('are forgiven by a success and not counted for an operator', async () => {
    const at = await world.serve({ limits: world.limits(tenTries) });
    const ann = await person(at);
    for (let i = 0; i < 12; i += 1) expect((await logIn(at, ann.username, PASSWORD)).status).toBe(200);
    const operator = { 'x-operator-token': await signOperatorToken(world.jwtSecret, new Date()) };
    for (let i = 0; i < 12; i += 1)
      expect((await logIn(at, ann.username, 'wrong password', operator)).status).toBe(401);
    expect((await logIn(at, ann.username, PASSWORD)).status).toBe(200);
  });
});

describe('a Consistency-Token of a write that the log does not tell of', () => {
  it('is there as well, covers what was sent, and makes no read wait', async () => {
    const ann = await person();
    const sent =
      (await api(`/v1/users/${ann.username}`, { method: 'PUT', token: ann.token, json: { bio: 'new' } })).headers.get(
        'consistency-token',
      ) ?? '';
    const logIn = (headers: Record<string, string>) =>
      api('/v1/users/login', { json: { username: ann.username, password: PASSWORD }, headers });
    const tokenOf = ({ headers }: HttpAnswer) => decodeToken(headers.get('consistency-token') ?? '');
    const first = await logIn({});
    expect(tokenOf(first)).toEqual({ storeId: world.store.storeId, position: START_OF_LOG, owners: [] });
    expect(tokenOf(await logIn({ 'consistency-token': sent }))).toEqual(decodeToken(sent));
    for (const answer of [
      await api('/v1/users/refresh', { json: { refresh_token: ann.refresh } }),
      await api('/v1/users/logout', { token: textAt(first, 'access_token') }),
    ])
      expect(tokenOf(answer)?.storeId).toBe(world.store.storeId);
  });
});

describe('rate limits', () => {
  it('stop one account, tell it how long, and leave others alone', async () => {
    const at = await world.serve({ limits: world.limits({ follows: { capacity: 2, windowMs: 3_600_000 } }) });
    const [ann, ben, cas] = [await person(at), await person(at), await person(at)];
    const follow = ({ token }: Person, headers: Record<string, string> = {}) =>
      api(`/v1/users/${cas.username}/follow`, { token, headers }, at);
    expect((await follow(ann)).headers.get('x-ratelimit-remaining')).toBe('1');
    await follow(ann);
    const third = await follow(ann);
    expect(statusAndCode(third)).toBe('429 rate_limited');
    expect([third.headers.get('x-ratelimit-limit'), Number(third.headers.get('retry-after')) > 1_000]).toEqual([
      '2',
      true,
    ]);
    expect((await follow(ben)).status).toBe(200);
    expect(
      (await follow(ann, { 'x-operator-token': await signOperatorToken(world.jwtSecret, new Date()) })).status,
    ).toBe(200);
    expect((await follow(ann, { 'x-operator-token': ann.token })).status).toBe(429);
  });
});

describe('an import', () => {
  it('may register many accounts with one password, each of which can log in', async () => {
    const headers = { 'x-operator-token': await signOperatorToken(world.jwtSecret, new Date()) };
    const names = Array.from({ length: 5 }, freshName);
    for (const name of names)
      expect((await api('/v1/users/register', { json: registration(name), headers })).status).toBe(201);
    for (const name of names)
      expect((await api('/v1/users/login', { json: { username: name, password: PASSWORD } })).status).toBe(200);
  });
});

describe('a profile', () => {
  const edit = ({ token }: Person, username: string, json: object) =>
    api(`/v1/users/${username}`, { method: 'PUT', token, json });

  it('is edited by its owner', async () => {
    const ann = await person();
    const answer = await edit(ann, ann.username.toUpperCase(), {
      full_name: 'Ann',
      bio: '📷'.repeat(150),
      website: 'https://ann.example',
      privacy_level: 'private',
    });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        user_id: ann.id,
        username: ann.username,
        full_name: 'Ann',
        website: 'https://ann.example',
        is_private: true,
        privacy_level: 'private',
        profile_media_id: null,
      },
    });
    // No projector runs here: what cannot be told is null, and the edit succeeds.
    expect(answer.body).toMatchObject({
      is_verified: false,
      follower_count: null,
      following_count: null,
      post_count: null,
    });
    expect(decodeToken(answer.headers.get('consistency-token') ?? '')?.owners).toEqual([ann.id]);
  });

  it('is not edited by anybody else, whether it exists or not', async () => {
    const [ann, ben] = [await person(), await person()];
    expect(statusAndCode(await edit(ben, ann.username, { bio: 'Hacked' }))).toBe('403 not_your_account');
    expect(statusAndCode(await edit(ben, 'nobody.here', { bio: 'Hacked' }))).toBe('403 not_your_account');
  });

  it.each([
    ['bio', '📷'.repeat(151)],
    ['full_name', 'Ann\u200b'],
    ['full_name', '\u202eAnn'],
    ['website', 'https://ann:secret@evil.example'],
    ['website', 'https://ann.example/\u202egnp'],
    ['website', 'javascript:alert(1)'],
    ['privacy_level', 'secret'],
    ['profile_media_id', 'med_1'],
  ])('takes no %s such as %j', async (field, value) => {
    const ann = await person();
    expect(await edit(ann, ann.username, { [field]: value })).toMatchObject({
      status: 400,
      body: { errors: [{ path: field }] },
    });
  });
});

describe('a password', () => {
  const change = ({ token }: Person, username: string, current: string) =>
    api(`/v1/users/${username}/password`, {
      method: 'PUT',
      token,
      json: { current_password: current, new_password: 'another password' },
    });

  it('is changed by its owner, who alone stays logged in', async () => {
    const ann = await person();
    const other = await api('/v1/users/login', { json: { username: ann.username, password: PASSWORD } });
    expect((await change(ann, ann.username, PASSWORD)).status).toBe(204);
    expect(
      statusAndCode(await api('/v1/users/refresh', { json: { refresh_token: textAt(other, 'refresh_token') } })),
    ).toBe('401 session_ended');
    expect((await api('/v1/users/refresh', { json: { refresh_token: ann.refresh } })).status).toBe(200);
    expect(
      (await api('/v1/users/login', { json: { username: ann.username, password: 'another password' } })).status,
    ).toBe(200);
  });

  it('is changed neither without the current one nor by anybody else', async () => {
    const [ann, ben] = [await person(), await person()];
    expect(statusAndCode(await change(ann, ann.username, 'wrong password'))).toBe('403 wrong_password');
    expect(statusAndCode(await change(ben, ann.username, PASSWORD))).toBe('403 not_your_account');
  });
});

describe('relations', () => {
  const on = ({ token }: Person, username: string, verb: string, method = 'POST') =>
    api(`/v1/users/${username}/${verb}`, { method, token });

  it('begin and end', async () => {
    const [ann, ben] = [await person(), await person()];
    expect((await on(ann, ben.username, 'follow')).body).toEqual({ username: ben.username, status: 'following' });
    expect((await on(ann, ben.username, 'follow', 'DELETE')).body).toEqual({ username: ben.username, status: 'none' });
    expect((await on(ann, ben.username, 'mute')).body).toEqual({ username: ben.username, muted: true });
    expect((await on(ann, ben.username, 'mute', 'DELETE')).body).toEqual({ username: ben.username, muted: false });
    expect((await on(ann, ben.username, 'close-friend')).body).toEqual({ username: ben.username, close_friend: true });
    expect((await on(ann, ben.username, 'close-friend', 'DELETE')).body).toEqual({
      username: ben.username,
      close_friend: false,
    });
    expect((await on(ann, ben.username, 'block')).body).toEqual({ username: ben.username, blocked: true });
    expect((await on(ann, ben.username, 'block', 'DELETE')).body).toEqual({ username: ben.username, blocked: false });
  });

  it('are refused to oneself and to nobody', async () => {
    const ann = await person();
    for (const verb of ['follow', 'mute', 'block', 'close-friend']) {
      expect((await on(ann, ann.username, verb)).status).toBe(422);
      expect(statusAndCode(await on(ann, 'nobody.here', verb))).toBe('404 user_not_found');
    }
  });

  it('stop at a block as if nobody were there', async () => {
    const [ann, ben] = [await person(), await person()];
    await on(ben, ann.username, 'block');
    const missing = await on(ann, 'nobody.here', 'follow');
    const blocked = await on(ann, ben.username, 'follow');
    expect({ ...(blocked.body as object), request_id: '' }).toEqual({ ...(missing.body as object), request_id: '' });
  });

  it('with a private account wait for its answer, which nobody else can give', async () => {
    const [ann, ben, eve] = [await person(), await person(), await person()];
    await api(`/v1/users/${ben.username}`, { method: 'PUT', token: ben.token, json: { privacy_level: 'private' } });
    expect((await on(ann, ben.username, 'follow')).body).toEqual({ username: ben.username, status: 'requested' });
    const answer = ({ token }: Person, verb: string) => api(`/v1/follow-requests/${ann.username}/${verb}`, { token });
    expect(statusAndCode(await answer(eve, 'accept'))).toBe('404 follow_request_not_found');
    expect(statusAndCode(await answer(eve, 'decline'))).toBe('404 follow_request_not_found');
    expect((await answer(ben, 'accept')).body).toEqual({ username: ann.username, status: 'accepted' });
    expect((await on(ann, ben.username, 'follow')).body).toEqual({ username: ben.username, status: 'following' });
    expect((await on(ben, ann.username, 'follower', 'DELETE')).status).toBe(204);
    expect((await on(ann, ben.username, 'follow')).body).toEqual({ username: ben.username, status: 'requested' });
    expect((await answer(ben, 'decline')).body).toEqual({ username: ann.username, status: 'declined' });
  });

  it('answer with a token that joins those sent', async () => {
    const [ann, ben, cas] = [await person(), await person(), await person()];
    const first = await on(ann, ben.username, 'follow');
    const second = await api(`/v1/users/${cas.username}/follow`, {
      token: ann.token,
      headers: { 'consistency-token': `${first.headers.get('consistency-token') ?? ''}, nonsense` },
    });
    expect(new Set(decodeToken(second.headers.get('consistency-token') ?? '')?.owners)).toEqual(
      new Set([ben.id, ann.id, cas.id]),
    );
  });

  it('answer with the token of what was so already when they change nothing', async () => {
    const [ann, ben] = [await person(), await person()];
    const [first, again] = [await on(ann, ben.username, 'follow'), await on(ann, ben.username, 'follow')];
    expect(first.headers.get('consistency-token')).not.toBeNull();
    expect(decodeToken(again.headers.get('consistency-token') ?? '')).toEqual(
      decodeToken(first.headers.get('consistency-token') ?? ''),
    );
  });
});

describe('erasing', () => {
  it('is done by the owner alone and ends everything', async () => {
    const [ann, ben] = [await person(), await person()];
    const erase = ({ token }: Person, at = origin) => api(`/v1/users/${ann.username}`, { method: 'DELETE', token }, at);
    expect(statusAndCode(await erase(ben))).toBe('403 not_your_account');
    expect(await erase(ann)).toMatchObject({ status: 202, body: { status: 'erasing' } });
    expect(statusAndCode(await api(`/v1/users/${ann.username}/follow`, { token: ben.token }))).toBe(
      '404 user_not_found',
    );
    expect(statusAndCode(await api('/v1/users/login', { json: { username: ann.username, password: PASSWORD } }))).toBe(
      '401 invalid_credentials',
    );
    expect(statusAndCode(await erase(ann, await world.serve()))).toBe('401 session_ended');
  });
});

describe('the contract', () => {
  it('is documented with every route', async () => {
    const document = await send(`${origin}/openapi.json`);
    const paths = (document.body as { paths: object }).paths;
    for (const path of [
      '/v1/users/register',
      '/v1/users/{username}',
      '/v1/users/{username}/follow',
      '/v1/follow-requests/{username}/accept',
    ])
      expect(paths).toHaveProperty([path]);
    expect(JSON.stringify(document.body)).toContain('access_token');
  });
});
