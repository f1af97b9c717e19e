import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventDefinitions, type DomainEvent } from '../../../domain/event-log.ts';
import type { AccountId } from '../../../domain/ids.ts';
import { streamOf } from '../../../domain/streams.ts';
import { openIdentityWorld, type IdentityWorld } from '../../../testing/identity-world.ts';
import { blockAccount, unblockAccount } from '../../relations/block-account.ts';
import { editProfile } from '../../accounts/edit-profile.ts';
import { followAccount, unfollowAccount } from '../../relations/follow-account.ts';
import { loadEvents } from '../../handle.ts';
import { acceptOpenRequests, type AcceptOpenRequestsDeps } from './accept-open-requests.ts';
import { contextFor } from '../runner/runner.ts';

let world: IdentityWorld;
beforeAll(async () => {
  world = await openIdentityWorld();
});
afterAll(() => world.close());

let counter = 0;
type Person = { readonly id: AccountId; readonly username: string };
const person = async (): Promise<Person> => {
  const username = `open${String((counter += 1))}`;
  return { username, id: await world.register(username) };
};
const setPrivacy = ({ id, username }: Person, privacy: 'public' | 'private') =>
  editProfile(world, world.as(id), { accountId: id, username, change: { privacy } });
const follow = (from: Person, to: Person) =>
  followAccount(world, world.as(from.id), { accountId: from.id, username: to.username });
const typesOf = (from: Person, to: Person) => world.types(streamOf.follow(from.id, to.id));

/** Delivers the opening of an account twice; `waiting` is what the read model says. */
async function open(
  owner: Person,
  waiting: readonly Person[],
  passed: AcceptOpenRequestsDeps['passed'] = async () => 'passed',
): Promise<void> {
  await setPrivacy(owner, 'public');
  await deliver(owner, waiting, passed);
}

async function deliver(
  owner: Person,
  waiting: readonly Person[],
  passed: AcceptOpenRequestsDeps['passed'] = async () => 'passed',
): Promise<void> {
  const ids = waiting.map(({ id }) => id).toSorted();
  const reaction = acceptOpenRequests({
    ...world,
    passed,
    openRequests: async (_id, { after = '' }) => ids.filter((id) => id > after).slice(0, 2),
  });
  const events: DomainEvent[] = await loadEvents(
    world,
    eventDefinitions.map(({ type }) => type),
    streamOf.account(owner.id),
  );
  const event = events.findLast(({ type }) => type === 'AccountMadePublic');
  if (event === undefined) throw new Error('the account was never made public');
  for (let delivery = 0; delivery < 2; delivery += 1) await reaction.react(event, contextFor(reaction.name, event));
}

describe('an account that becomes public', () => {
  it('lets in everybody who waits, once', async () => {
    const [owner, ...others] = await Promise.all([person(), person(), person(), person()]);
    await setPrivacy(owner, 'private');
    for (const other of others) await follow(other, owner);
    await open(owner, others);
    for (const other of others)
      expect(await typesOf(other, owner)).toEqual(['FollowRequested', 'FollowRequestAccepted']);
  });

  it('leaves out who no longer asks, or whose request a block has ended', async () => {
    const [owner, fickle, blocked, forgiven] = await Promise.all([person(), person(), person(), person()]);
    await setPrivacy(owner, 'private');
    for (const other of [fickle, blocked, forgiven]) await follow(other, owner);
    await unfollowAccount(world, world.as(fickle.id), { accountId: fickle.id, username: owner.username });
    for (const { username } of [blocked, forgiven])
      await blockAccount(world, world.as(owner.id), { accountId: owner.id, username });
    await unblockAccount(world, world.as(owner.id), { accountId: owner.id, username: forgiven.username });
    await open(owner, [fickle, blocked, forgiven]);
    for (const other of [fickle, blocked, forgiven])
      expect(await typesOf(other, owner)).not.toContain('FollowRequestAccepted');
  });

  it('and private again before anybody looked lets nobody in', async () => {
    const [owner, other] = await Promise.all([person(), person()]);
    await setPrivacy(owner, 'private');
    await follow(other, owner);
    await setPrivacy(owner, 'public');
    await setPrivacy(owner, 'private');
    await deliver(owner, [other]);
    expect(await typesOf(other, owner)).toEqual(['FollowRequested']);
  });

  it('waits for the read model that knows who asked', async () => {
    const owner = await person();
    await setPrivacy(owner, 'private');
    await expect(open(owner, [], async () => 'behind')).rejects.toThrow('have not passed');
  });
});
