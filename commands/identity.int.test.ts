import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Username } from '../domain/account-events.ts';
import { accountDecider } from '../domain/account.ts';
import { eventDefinitions, type DomainEvent } from '../domain/event-log.ts';
import type { AccountId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import { idFromCommand, newId } from '../infra/ids.ts';
import { openVault } from '../infra/vault/vault.ts';
import { openIdentityWorld, PASSWORD, type IdentityWorld } from '../testing/identity-world.ts';
import { addCloseFriend, removeCloseFriend } from './relations/add-close-friend.ts';
import { blockAccount, unblockAccount } from './relations/block-account.ts';
import { changePassword } from './accounts/change-password.ts';
import { editProfile } from './accounts/edit-profile.ts';
import { eraseAccount } from './accounts/erase-account.ts';
import { accountByUsername, activeAccount } from './accounts/find-account.ts';
import { answerFollowRequest, followAccount, removeFollower, unfollowAccount } from './relations/follow-account.ts';
import { loadEvents, loadState } from './handle.ts';
import { logIn } from './accounts/log-in.ts';
import { muteAccount, unmuteAccount } from './relations/mute-account.ts';
import { endBlockedFollows } from './reactions/accounts/end-blocked-follows.ts';
import { eraseErasedAccounts, type EraseAccountDeps } from './reactions/accounts/erase-account.ts';
import type { Reaction } from './reactions/reaction.ts';
import { contextFor } from './reactions/runner/runner.ts';
import { placesOf, registerAccount, type RegisterAccountInput } from './accounts/register-account.ts';
import { ABANDONED_AFTER_MS, reserveName } from './accounts/reserve-name.ts';
import { maySee } from './relations/visibility.ts';

let world: IdentityWorld;
beforeAll(async () => {
  world = await openIdentityWorld();
});
afterAll(() => world.close());

let counter = 0;
const freshName = () => `user${String((counter += 1))}`;
const codeOf = (answer: { ok: true } | { ok: false; refusal: { code: string } }) =>
  answer.ok ? 'ok' : answer.refusal.code;
const person = async (username = freshName()) => ({ username, id: await world.register(username) });
const inputOf = (username: string, change: Partial<RegisterAccountInput> = {}): RegisterAccountInput => ({
  username: Username.parse(username),
  email: `${username}@example.org`,
  password: PASSWORD,
  fullName: 'Some One',
  ...change,
});
const register = (input: RegisterAccountInput, context = world.as('system')) =>
  registerAccount({ ...world, hash: world.passwords.hash }, context, input);

/** Delivers every event of some streams to a reaction, twice each. */
async function react(reaction: Reaction, ...streams: string[]): Promise<void> {
  for (const stream of streams) {
    const events: DomainEvent[] = await loadEvents(
      world,
      eventDefinitions.map(({ type }) => type),
      stream,
    );
    for (const event of events.filter(({ type }) => reaction.handles.includes(type))) {
      for (let delivery = 0; delivery < 2; delivery += 1) await reaction.react(event, contextFor(reaction.name, event));
    }
  }
}

describe('registering', () => {
  it('opens an account whose personal data are sealed in the log', async () => {
    const username = freshName();
    const registered = await register(inputOf(username, { fullName: 'Secret Name' }));
    if (!registered.ok) throw new Error(registered.refusal.code);
    expect(await accountByUsername(world, username.toUpperCase())).toBe(registered.accountId);
    expect(await activeAccount(world, registered.accountId)).toMatchObject({
      username,
      fullName: 'Secret Name',
      privacy: 'public',
    });
    const stored = JSON.stringify(
      (await world.store.readStream(streamOf.account(registered.accountId))).map(({ data }) => data),
    );
    for (const secret of [username, 'Secret Name', PASSWORD, 'example.org']) expect(stored).not.toContain(secret);
    const everything: string[] = [];
    for await (const event of world.store.readAll())
      everything.push(JSON.stringify([event.streamId, event.data, event.metadata]));
    expect(everything.join()).not.toContain(PASSWORD);
  });

  it('gives one name to exactly one of 20 who ask at once', async () => {
    const username = freshName();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        register(inputOf(username, { email: `${username}.${String(i)}@example.org` })),
      ),
    );
    expect(outcomes.map(codeOf).toSorted()).toEqual(['ok', ...Array.from({ length: 19 }, () => 'username_taken')]);
    const winner = outcomes.find((outcome) => outcome.ok);
    expect(await accountByUsername(world, username)).toBe(winner?.ok === true ? winner.accountId : undefined);
  });

  it('gives one e-mail address, in any case, to exactly one of 10 who ask at once, and the names of the others back', async () => {
    const email = `${freshName()}@example.org`;
    const names = Array.from({ length: 10 }, freshName);
    const outcomes = await Promise.all(
      names.map((name, i) => register(inputOf(name, { email: i % 2 === 0 ? email : email.toUpperCase() }))),
    );
    expect(outcomes.map(codeOf).toSorted()).toEqual([...Array.from({ length: 9 }, () => 'email_taken'), 'ok']);
    const losers = names.filter((_, i) => outcomes[i]?.ok === false);
    const again = await Promise.all(losers.map((name) => register(inputOf(name))));
    expect(again.map(codeOf)).toEqual(losers.map(() => 'ok'));
  });

  it('appends nothing twice when it is repeated, and answers the same', async () => {
    const context = world.as('system');
    const input = inputOf(freshName());
    const first = await register(input, context);
    expect(await register(input, context)).toEqual(first);
    const accountId = idFromCommand.account(context.commandId);
    expect(await world.types(streamOf.account(accountId))).toEqual(['AccountRegistered']);
    expect(await world.types(streamOf.usernameReservation(world.names.username(input.username)))).toEqual([
      'UsernameReserved',
    ]);
  });

  it('runs many repeats of one command at once into one account', async () => {
    const context = world.as('system');
    const input = inputOf(freshName());
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => register(input, context)));
    expect(new Set(outcomes.map((outcome) => (outcome.ok ? outcome.accountId : outcome.refusal.code)))).toEqual(
      new Set([idFromCommand.account(context.commandId)]),
    );
    expect(await world.types(streamOf.account(idFromCommand.account(context.commandId)))).toEqual([
      'AccountRegistered',
    ]);
  });

  describe('after a crash between the reservations and the account', () => {
    const crash = async (input: RegisterAccountInput, at: Date) => {
      const context = world.as('system', at);
      const accountId = idFromCommand.account(context.commandId);
      await world.keys.create(accountId);
      const places = placesOf(world.names, input);
      await reserveName(world, context, places.username, accountId);
      await reserveName(world, context, places.email, accountId);
      return { context, accountId };
    };
    const longAgo = () => new Date(Date.now() - ABANDONED_AFTER_MS);

    it('keeps the names for a minute, and lets the same command finish', async () => {
      const input = inputOf(freshName());
      const { context, accountId } = await crash(input, new Date());
      expect(codeOf(await register(input))).toBe('username_taken');
      expect(await register(input, context)).toMatchObject({ ok: true, accountId });
    });

    it('lets somebody else take both names over after a minute', async () => {
      const input = inputOf(freshName());
      const { context, accountId } = await crash(input, longAgo());
      const taker = await register(input);
      expect(codeOf(taker)).toBe('ok');
      expect(await world.types(streamOf.account(accountId))).toEqual(['RegistrationAbandoned']);
      expect(await accountByUsername(world, input.username)).toBe(taker.ok ? taker.accountId : undefined);
      expect(codeOf(await register(input, context))).toBe('username_taken');
      expect(await accountByUsername(world, input.username)).toBe(taker.ok ? taker.accountId : undefined);
    });

    it('gives both names to exactly one of 10 takers', async () => {
      const input = inputOf(freshName());
      await crash(input, longAgo());
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => register(input)));
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    });

    it('lets either the late registration or the taker through, never both', async () => {
      for (let round = 0; round < 10; round += 1) {
        const input = inputOf(freshName());
        const { context } = await crash(input, longAgo());
        const [late, taker] = await Promise.all([register(input, context), register(input)]);
        expect([late.ok, taker.ok].filter(Boolean)).toHaveLength(1);
        const winner = late.ok ? late.accountId : taker.ok ? taker.accountId : undefined;
        expect(await accountByUsername(world, input.username)).toBe(winner);
      }
    });

    it('never takes over the name of a registered account, however old', async () => {
      const input = inputOf(freshName());
      const first = await register(input, world.as('system', longAgo()));
      expect(codeOf(await register(input))).toBe('username_taken');
      expect(await accountByUsername(world, input.username)).toBe(first.ok ? first.accountId : undefined);
    });
  });
});

describe('logging in', () => {
  it('begins a session with the right password, in any case of the name', async () => {
    const { username, id } = await person();
    const context = world.as('system');
    expect(await logIn(world, context, { username: username.toUpperCase(), password: PASSWORD })).toMatchObject({
      ok: true,
      accountId: id,
      username,
    });
    expect(await world.sessions.isAlive(context.commandId, new Date())).toBe(true);
  });

  it('refuses a wrong password, an unknown name and an impossible name in the same words', async () => {
    const { username } = await person();
    const answers = await Promise.all([
      logIn(world, world.as('system'), { username, password: 'wrong password' }),
      logIn(world, world.as('system'), { username: 'nobody.here', password: PASSWORD }),
      logIn(world, world.as('system'), { username: '§§§', password: PASSWORD }),
    ]);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(codeOf(answers[0])).toBe('invalid_credentials');
  });
});

describe('a profile', () => {
  it('is edited by its owner and by nobody else', async () => {
    const [ann, ben] = [await person(), await person()];
    const edited = await editProfile(world, world.as(ann.id), {
      accountId: ann.id,
      username: ann.username,
      change: { bio: 'Photos', privacy: 'private' },
    });
    expect(edited).toMatchObject({ ok: true, account: { bio: 'Photos', privacy: 'private' } });
    expect(
      codeOf(
        await editProfile(world, world.as(ben.id), {
          accountId: ben.id,
          username: ann.username,
          change: { bio: 'Hacked' },
        }),
      ),
    ).toBe('not_your_account');
    expect(
      codeOf(await editProfile(world, world.as(ben.id), { accountId: ben.id, username: 'nobody.here', change: {} })),
    ).toBe('not_your_account');
    expect(await activeAccount(world, ann.id)).toMatchObject({ bio: 'Photos' });
  });

  it('shows no picture that is missing', async () => {
    const ann = await person();
    expect(
      codeOf(
        await editProfile(world, world.as(ann.id), {
          accountId: ann.id,
          username: ann.username,
          change: { profileMediaId: newId.media() },
        }),
      ),
    ).toBe('profile_picture_unusable');
  });
});

describe('changing the password', () => {
  it('ends all sessions but the one that asks', async () => {
    const ann = await person();
    const sessions = await Promise.all(
      [1, 2].map(async () => {
        const context = world.as('system');
        await logIn(world, context, { username: ann.username, password: PASSWORD });
        return context.commandId;
      }),
    );
    const changed = await changePassword(world, world.as(ann.id), {
      accountId: ann.id,
      username: ann.username,
      session: sessions[0],
      currentPassword: PASSWORD,
      newPassword: 'another password',
    });
    expect(codeOf(changed)).toBe('ok');
    expect(await Promise.all(sessions.map((id) => world.sessions.isAlive(id, new Date())))).toEqual([true, false]);
    expect(codeOf(await logIn(world, world.as('system'), { username: ann.username, password: PASSWORD }))).toBe(
      'invalid_credentials',
    );
    expect(
      codeOf(await logIn(world, world.as('system'), { username: ann.username, password: 'another password' })),
    ).toBe('ok');
  });

  it('needs the current password and the own account', async () => {
    const [ann, ben] = [await person(), await person()];
    const change = (id: AccountId, username: string, currentPassword: string) =>
      changePassword(world, world.as(id), {
        accountId: id,
        username,
        currentPassword,
        newPassword: 'another password',
      });
    expect(codeOf(await change(ann.id, ann.username, 'wrong'))).toBe('wrong_password');
    expect(codeOf(await change(ben.id, ann.username, PASSWORD))).toBe('not_your_account');
    expect(codeOf(await logIn(world, world.as('system'), { username: ann.username, password: PASSWORD }))).toBe('ok');
  });
});

describe('following', () => {
  const follow = (from: AccountId, username: string) =>
    followAccount(world, world.as(from), { accountId: from, username });
  const makePrivate = (one: { id: AccountId; username: string }) =>
    editProfile(world, world.as(one.id), { accountId: one.id, username: one.username, change: { privacy: 'private' } });

  it('begins at once with a public account and ends when asked', async () => {
    const [ann, ben] = [await person(), await person()];
    const followed = await follow(ann.id, ben.username);
    expect(followed).toMatchObject({ ok: true, status: 'following', written: { owners: [ben.id, ann.id] } });
    expect(await unfollowAccount(world, world.as(ann.id), { accountId: ann.id, username: ben.username })).toMatchObject(
      { ok: true, status: 'none' },
    );
    expect(await world.types(streamOf.follow(ann.id, ben.id))).toEqual(['AccountFollowed', 'FollowEnded']);
  });

  it('is appended once when ten requests come at once', async () => {
    const [ann, ben] = [await person(), await person()];
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => follow(ann.id, ben.username)));
    expect(new Set(outcomes.map(codeOf))).toEqual(new Set(['ok']));
    expect(await world.types(streamOf.follow(ann.id, ben.id))).toEqual(['AccountFollowed']);
  });

  it('asks a private account, which alone may let in or turn down', async () => {
    const [ann, ben, eve] = [await person(), await person(), await person()];
    await makePrivate(ben);
    expect(await maySee(world, ann.id, ben.id)).toBe(false);
    expect(await follow(ann.id, ben.username)).toMatchObject({ status: 'requested' });
    expect(await maySee(world, ann.id, ben.id)).toBe(false);
    const answer = (who: AccountId, verb: 'accept' | 'decline') =>
      answerFollowRequest(world, world.as(who), { accountId: who, username: ann.username, answer: verb });
    expect(codeOf(await answer(eve.id, 'accept'))).toBe('follow_request_not_found');
    expect(codeOf(await answer(ann.id, 'accept'))).toBe('follow_request_not_found');
    expect(await answer(ben.id, 'accept')).toMatchObject({ ok: true, status: 'following' });
    expect(await maySee(world, ann.id, ben.id)).toBe(true);
    expect(await maySee(world, eve.id, ben.id)).toBe(false);
    expect(codeOf(await answer(ben.id, 'decline'))).toBe('follow_request_not_found');
    expect(await removeFollower(world, world.as(ben.id), { accountId: ben.id, username: ann.username })).toMatchObject({
      ok: true,
      status: 'none',
    });
    expect(await maySee(world, ann.id, ben.id)).toBe(false);
  });

  it('leaves the followers that an account has when it goes private', async () => {
    const [ann, ben] = [await person(), await person()];
    await follow(ann.id, ben.username);
    await makePrivate(ben);
    expect(await maySee(world, ann.id, ben.id)).toBe(true);
  });

  it('is refused to oneself and to nobody', async () => {
    const ann = await person();
    expect(codeOf(await follow(ann.id, ann.username))).toBe('cannot_follow_self');
    expect(codeOf(await follow(ann.id, 'nobody.here'))).toBe('account_not_found');
  });
});

describe('blocking', () => {
  const block = (from: AccountId, username: string) =>
    blockAccount(world, world.as(from), { accountId: from, username });
  const unblock = (from: AccountId, username: string) =>
    unblockAccount(world, world.as(from), { accountId: from, username });
  const follow = (from: AccountId, username: string) =>
    followAccount(world, world.as(from), { accountId: from, username });
  const streamsOf = (a: AccountId, b: AccountId) => [streamOf.follow(a, b), streamOf.follow(b, a)] as const;

  it('hides each from the other at once, in whichever direction', async () => {
    const [ann, ben] = [await person(), await person()];
    await follow(ann.id, ben.username);
    await block(ben.id, ann.username);
    expect(await maySee(world, ann.id, ben.id)).toBe(false);
    expect(await maySee(world, ben.id, ann.id)).toBe(false);
    for (const [from, to] of [
      [ann, ben],
      [ben, ann],
    ] as const) {
      const input = { accountId: from.id, username: to.username };
      const context = world.as(from.id);
      const attempts = [
        followAccount(world, context, input),
        unfollowAccount(world, context, input),
        muteAccount(world, context, input),
        unmuteAccount(world, context, input),
        addCloseFriend(world, context, input),
        removeCloseFriend(world, context, input),
        removeFollower(world, context, input),
      ];
      expect(new Set((await Promise.all(attempts)).map(codeOf))).toEqual(new Set(['account_not_found']));
    }
  });

  it('ends both follows, once, though its event is delivered twice', async () => {
    const [ann, ben] = [await person(), await person()];
    await follow(ann.id, ben.username);
    await follow(ben.id, ann.username);
    await block(ann.id, ben.username);
    await react(endBlockedFollows(world), streamOf.block(ann.id, ben.id));
    for (const stream of streamsOf(ann.id, ben.id))
      expect(await world.types(stream)).toEqual(['AccountFollowed', 'FollowEnded']);
  });

  it('leaves a follow alone that is newer than the block, also when the reaction comes late', async () => {
    const [ann, ben] = [await person(), await person()];
    await follow(ann.id, ben.username);
    await block(ben.id, ann.username);
    await unblock(ben.id, ann.username);
    expect(await follow(ann.id, ben.username)).toMatchObject({ status: 'following' });
    await react(endBlockedFollows(world), streamOf.block(ben.id, ann.id));
    expect(await world.types(streamOf.follow(ann.id, ben.id))).toEqual([
      'AccountFollowed',
      'FollowEnded',
      'AccountFollowed',
    ]);
    expect(await maySee(world, ann.id, ben.id)).toBe(true);
  });

  it('brings nothing back when it is lifted, also before the reaction ran', async () => {
    const [ann, ben] = [await person(), await person()];
    await editProfile(world, world.as(ben.id), {
      accountId: ben.id,
      username: ben.username,
      change: { privacy: 'private' },
    });
    await follow(ann.id, ben.username);
    await answerFollowRequest(world, world.as(ben.id), { accountId: ben.id, username: ann.username, answer: 'accept' });
    expect(await maySee(world, ann.id, ben.id)).toBe(true);
    await block(ann.id, ben.username);
    await unblock(ann.id, ben.username);
    expect(await maySee(world, ann.id, ben.id)).toBe(false);
    await react(endBlockedFollows(world), streamOf.block(ann.id, ben.id));
    expect(await maySee(world, ann.id, ben.id)).toBe(false);
  });

  it('voids a request, so that it cannot be accepted afterwards', async () => {
    const [ann, ben] = [await person(), await person()];
    await editProfile(world, world.as(ben.id), {
      accountId: ben.id,
      username: ben.username,
      change: { privacy: 'private' },
    });
    await follow(ann.id, ben.username);
    await block(ben.id, ann.username);
    await unblock(ben.id, ann.username);
    expect(
      codeOf(
        await answerFollowRequest(world, world.as(ben.id), {
          accountId: ben.id,
          username: ann.username,
          answer: 'accept',
        }),
      ),
    ).toBe('follow_request_not_found');
  });

  it('is lifted only by the one who blocked', async () => {
    const [ann, ben] = [await person(), await person()];
    await block(ann.id, ben.username);
    expect(await unblock(ben.id, ann.username)).toMatchObject({ ok: true, blocked: false });
    expect(await maySee(world, ben.id, ann.id)).toBe(false);
    expect(await unblock(ann.id, ben.username)).toMatchObject({ ok: true, blocked: false });
    expect(await maySee(world, ben.id, ann.id)).toBe(true);
  });
});

describe('erasing an account', () => {
  const deps = (passed: EraseAccountDeps['passed'] = async () => 'passed'): EraseAccountDeps => ({
    ...world,
    forgetRequests: async () => undefined,
    passed,
  });

  it('hides it at once and frees its names once all models have passed', async () => {
    const [ann, ben] = [await person(), await person()];
    const session = world.as('system');
    await logIn(world, session, { username: ann.username, password: PASSWORD });
    expect(codeOf(await eraseAccount(world, world.as(ben.id), { accountId: ben.id, username: ann.username }))).toBe(
      'not_your_account',
    );
    expect(codeOf(await eraseAccount(world, world.as(ann.id), { accountId: ann.id, username: ann.username }))).toBe(
      'ok',
    );

    expect(await accountByUsername(world, ann.username)).toBeUndefined();
    expect(await maySee(world, ben.id, ann.id)).toBe(false);
    expect(await world.sessions.isAlive(session.commandId, new Date())).toBe(false);
    expect(codeOf(await logIn(world, world.as('system'), { username: ann.username, password: PASSWORD }))).toBe(
      'invalid_credentials',
    );
    expect(codeOf(await followAccount(world, world.as(ann.id), { accountId: ann.id, username: ben.username }))).toBe(
      'account_not_found',
    );
    expect(codeOf(await register(inputOf(ann.username)))).toBe('username_taken');

    await react(eraseErasedAccounts(deps()), streamOf.account(ann.id));
    const next = await register(inputOf(ann.username));
    expect(await accountByUsername(world, ann.username)).toBe(next.ok ? next.accountId : next.refusal.code);
    expect(await world.credentials.find(ann.id)).toBeUndefined();
  });

  it('leaves nothing to read, also for a program that starts afterwards', async () => {
    const ann = await person();
    await editProfile(world, world.as(ann.id), {
      accountId: ann.id,
      username: ann.username,
      change: { bio: 'About me' },
    });
    await eraseAccount(world, world.as(ann.id), { accountId: ann.id, username: ann.username });
    await react(eraseErasedAccounts(deps()), streamOf.account(ann.id));
    const restarted = await openVault({ pool: world.pool, masterKey: world.masterKey });
    const state = await loadState(
      { store: world.store, keys: restarted.keys },
      accountDecider,
      streamOf.account(ann.id),
    );
    expect(state).toEqual({ status: 'erased', username: null, email: null });
  });

  it('waits for the models', async () => {
    const ann = await person();
    await eraseAccount(world, world.as(ann.id), { accountId: ann.id, username: ann.username });
    await expect(react(eraseErasedAccounts(deps(async () => 'behind')), streamOf.account(ann.id))).rejects.toThrow(
      'has not passed',
    );
    expect((await world.keys.forAccounts(new Set([ann.id]))).get(ann.id)).toHaveLength(32);
  });
});

describe('muting and close friends', () => {
  it('come and go', async () => {
    const [ann, ben] = [await person(), await person()];
    const input = { accountId: ann.id, username: ben.username };
    expect(await muteAccount(world, world.as(ann.id), input)).toMatchObject({
      ok: true,
      muted: true,
      written: { owners: [ben.id] },
    });
    expect(await unmuteAccount(world, world.as(ann.id), input)).toMatchObject({ ok: true, muted: false });
    expect(await addCloseFriend(world, world.as(ann.id), input)).toMatchObject({ ok: true, closeFriend: true });
    expect(await removeCloseFriend(world, world.as(ann.id), input)).toMatchObject({ ok: true, closeFriend: false });
  });
});

describe('a command id', () => {
  it('is answered as the first time when it comes again, whatever happened since, and appends nothing', async () => {
    const [ann, ben] = [await person(), await person()];
    const context = { ...world.as(ann.id), commandId: randomUUID() };
    await followAccount(world, context, { accountId: ann.id, username: ben.username });
    await unfollowAccount(world, world.as(ann.id), { accountId: ann.id, username: ben.username });
    expect(await followAccount(world, context, { accountId: ann.id, username: ben.username })).toMatchObject({
      ok: true,
      status: 'following',
    });
    expect(await world.types(streamOf.follow(ann.id, ben.id))).toEqual(['AccountFollowed', 'FollowEnded']);
  });
});
