import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runCli } from '../testing/cli.ts';
import { send } from '../testing/http.ts';
import { startWorld, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const accounts = (...args: string[]) => runCli(world.stack.environment, ['accounts', ...args]);
const Exported = z.object({
  account: z.looseObject({ status: z.string() }),
  vault: z.object({
    data_key: z.string(),
    password_changed_at: z.string().nullable(),
    sessions: z.array(z.object({ ended_at: z.string().nullable() })),
    recorded_requests: z.int(),
  }),
  events: z.array(z.object({ type: z.string(), by: z.string(), data: z.record(z.string(), z.unknown()) })),
});
async function exported(account: string): Promise<z.infer<typeof Exported>> {
  const { code, out, err } = await accounts('export', account);
  expect(code, err).toBe(0);
  return Exported.parse(JSON.parse(out));
}

describe('accounts verify', () => {
  it('gives one account the mark and takes it away, and no other', async () => {
    const [ann, ben] = [await world.person('ann'), await world.person('ben')];
    const isVerified = async (name: string) => (await ben.get(`/v1/users/${name}`)).body;
    expect(await accounts('verify', 'ANN')).toMatchObject({ code: 0, out: 'ANN is verified\n' });
    await expect.poll(() => isVerified('ann'), { timeout: 30_000 }).toMatchObject({ is_verified: true });
    expect(await isVerified('ben')).toMatchObject({ is_verified: false });
    const withdrawn = await accounts('verify', ann.id, '--withdraw', '--json');
    expect([withdrawn.code, JSON.parse(withdrawn.out)]).toEqual([0, { account_id: ann.id, verified: false }]);
    await expect.poll(() => isVerified('ann'), { timeout: 30_000 }).toMatchObject({ is_verified: false });
  });

  it('fails for an account that is not there, and is wrong use without one', async () => {
    expect(await accounts('verify', 'nobody.here')).toMatchObject({
      code: 1,
      err: 'there is no account nobody.here\n',
    });
    expect((await accounts('verify', 'acc_00000000000000000000000000')).code).toBe(1);
    expect((await accounts('verify')).code).toBe(2);
  });
});

describe('accounts export', () => {
  it('says what is not in it', async () => {
    const { code, out } = await accounts('export', '--help');
    expect(code).toBe(0);
    expect(out.replace(/\s+/g, ' ')).toContain(
      'its photos and videos themselves and the contents of recorded requests are not in it',
    );
  });

  it('tells profile, sessions and events of one account, and nothing that others wrote', async () => {
    const [cas, dora] = [await world.person('cas', { fullName: 'Cas Export' }), await world.person('dora')];
    const post = await world.publish(cas, { caption: 'Words of Cas' });
    await world.follow(cas, dora);
    await dora.post(`/v1/posts/${post}/comments`, { text: 'words of dora' });
    const { account, vault, events } = await exported('cas');
    expect(account).toMatchObject({
      status: 'active',
      username: 'cas',
      email: 'cas@example.org',
      full_name: 'Cas Export',
      privacy: 'public',
      verified: false,
    });
    expect(vault).toMatchObject({
      data_key: 'held',
      password_changed_at: expect.any(String) as unknown,
      sessions: [{ ended_at: null }],
    });
    expect(events.filter(({ by }) => by === 'account').map(({ type }) => type)).toEqual(
      expect.arrayContaining(['UsernameReserved', 'AccountRegistered', 'UploadRequested', 'PostCreated']),
    );
    expect(events.find(({ type }) => type === 'PostCreated')?.data).toMatchObject({ caption: 'Words of Cas' });
    expect(events.find(({ type }) => type === 'AccountFollowed')).toMatchObject({
      by: 'other',
      data: { followerId: dora.id, followeeId: cas.id },
    });
    expect(events.find(({ type }) => type === 'CommentAdded')).toMatchObject({ by: 'other', data: { text: null } });
    const all = JSON.stringify({ account, vault, events });
    for (const secret of ['words of dora', 'dora@example.org', cas.password, cas.refreshToken, '$argon2', '$sealed'])
      expect(all).not.toContain(secret);
  });

  it('tells nobody who muted, blocked, viewed or saved them or counts them among close friends, but those who did', async () => {
    const [ivo, joy, kai] = [await world.person('ivo'), await world.person('joy'), await world.person('kai')];
    const [post, story] = [await world.publish(ivo), await world.story(ivo)];
    await world.follow(ivo, joy, kai);
    for (const path of [
      'users/ivo/mute',
      'users/ivo/close-friend',
      `posts/${post}/like`,
      `posts/${post}/save`,
      `stories/${story}/view`,
    ]) {
      expect((await joy.post(`/v1/${path}`)).status, path).toBeLessThan(300);
    }
    expect((await kai.post('/v1/users/ivo/block')).status).toBeLessThan(300);
    await expect
      .poll(async () => (await runCli(world.stack.environment, ['events', 'show', `follow-${kai.id}-${ivo.id}`])).out, {
        timeout: 30_000,
      })
      .toContain('FollowEnded');
    const typesBy = async (account: string, who: string) =>
      (await exported(account)).events.filter(({ by }) => by === who).map(({ type }) => type);
    expect(await typesBy('ivo', 'other')).toEqual(['AccountFollowed', 'AccountFollowed', 'PostLiked']);
    expect(await typesBy('ivo', 'system')).not.toContain('FollowEnded');
    expect(await typesBy('joy', 'account')).toEqual(
      expect.arrayContaining(['AccountMuted', 'CloseFriendAdded', 'PostSaved', 'StoryViewed']),
    );
    expect(await typesBy('kai', 'account')).toContain('AccountBlocked');
  });

  it('writes to a file that only its owner may read, in the place of one that everybody could', async () => {
    const file = join(tmpdir(), `export-${String(process.pid)}.json`);
    await world.person('eva');
    await writeFile(file, 'of old', { mode: 0o644 });
    expect(await accounts('export', 'eva', '--out', file)).toMatchObject({ code: 0, out: '' });
    expect(Exported.parse(JSON.parse(await readFile(file, 'utf8'))).account).toMatchObject({ username: 'eva' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await rm(file);
  });
});

describe('accounts erase', () => {
  it('ends the account at once, and its data when every model has passed; others keep theirs', async () => {
    const [finn, gus] = [await world.person('finn'), await world.person('gus')];
    const [post, kept] = [
      await world.publish(finn, { caption: 'Words of Finn' }),
      await world.publish(gus, { caption: 'Words of Gus' }),
    ];
    expect(await accounts('erase', 'finn', '--yes')).toMatchObject({
      code: 0,
      out: 'finn is erased, its personal data are gone and its name is free\n',
    });
    expect(
      (await send(`${world.stack.edgeUrl}/v1/users/login`, { json: { username: 'finn', password: finn.password } }))
        .status,
    ).toBe(401);
    expect((await gus.get('/v1/users/finn')).status).toBe(404);
    expect((await gus.get(`/v1/posts/${post}`)).status).toBe(404);
    expect((await gus.get(`/v1/posts/${kept}`)).body).toMatchObject({ caption: 'Words of Gus' });
    const { account, vault, events } = await exported(finn.id);
    expect(account).toEqual({ status: 'erased' });
    expect(vault).toMatchObject({ data_key: 'emptied', password_changed_at: null });
    expect(vault.sessions.every(({ ended_at }) => ended_at !== null)).toBe(true);
    expect(JSON.stringify(events)).not.toMatch(/Words of Finn|finn@example/);
    expect((await world.person('finn')).id).not.toBe(finn.id);
    expect(await accounts('erase', finn.id)).toMatchObject({ code: 0 });
  });

  it('erases nothing without a terminal to ask on, unless --yes says so', async () => {
    const jan = await world.person('jan');
    expect(await accounts('erase', 'jan')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^nothing was erased: .*--yes/) as unknown,
    });
    expect((await jan.get('/v1/users/jan')).status).toBe(200);
    expect((await exported('jan')).account).toMatchObject({ status: 'active' });
    expect(await accounts('erase', 'jan', '--yes', '--wait', 'long')).toMatchObject({
      code: 2,
      err: '--wait takes a whole number of seconds\n',
    });
    expect((await exported('jan')).account).toMatchObject({ status: 'active' });
  });

  it('fails while personal data are still held, says how to go on, and that way ends well', async () => {
    const lea = await world.person('lea');
    await world.stack.kill('reactor');
    expect(await accounts('erase', 'lea', '--yes', '--wait', '0')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(new RegExp(`still held: .* accounts erase ${lea.id} again`)) as unknown,
    });
    const pending = await accounts('erase', lea.id, '--wait', '0', '--json');
    expect([pending.code, JSON.parse(pending.out)]).toEqual([
      1,
      { account_id: lea.id, erased: true, personal_data: 'pending' },
    ]);
    await world.stack.start('reactor');
    expect(await accounts('erase', lea.id)).toMatchObject({ code: 0, err: '' });
    expect((await exported(lea.id)).vault.data_key).toBe('emptied');
  });

  it('takes the account out of use even while the reactor is away, and waits for what is still to come', async () => {
    const hal = await world.person('hal');
    await world.stack.kill('reactor');
    const erasing = accounts('erase', 'hal', '--yes', '--json');
    await expect
      .poll(
        async () =>
          (await send(`${world.stack.edgeUrl}/v1/users/login`, { json: { username: 'hal', password: hal.password } }))
            .status,
        { timeout: 30_000 },
      )
      .toBe(401);
    expect((await exported(hal.id)).vault.data_key).toBe('held');
    await world.stack.start('reactor');
    expect(JSON.parse((await erasing).out)).toEqual({ account_id: hal.id, erased: true, personal_data: 'gone' });
  });
});
