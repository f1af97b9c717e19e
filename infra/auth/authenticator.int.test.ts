import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../ids.ts';
import { createAuthenticator } from './authenticator.ts';
import type { Changes, ChangesHeard } from '../process/invalidation-source.ts';
import { createTokens } from './jwt.ts';
import { openPool, type Pool } from '../postgres.ts';
import { openVault, type Vault } from '../vault/vault.ts';
import { SESSIONS_ENDED } from '../vault/vault-sessions.ts';
import { ChangesListener } from '../../projections/runner/invalidation-listener.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { eventually } from '../../testing/projector-world.ts';

const tokens = createTokens('a secret that is long enough for a test');
let database: TestDatabase;
let pool: Pool;
let vault: Vault;
let listener: ChangesListener;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 4, name: 'authenticator' });
  vault = await openVault({ pool, masterKey: Buffer.alloc(32, 1).toString('base64') });
  listener = new ChangesListener(database.url, SESSIONS_ENDED);
  listener.start();
  await eventually('it listens', () => listener.complete);
});
afterAll(async () => {
  await listener.close();
  await pool.end();
  await database.drop();
});

async function login() {
  const [session, account] = [randomUUID(), newId.account()];
  await vault.sessions.begin(session, account, new Date());
  return { session, account, token: await tokens.forAccount(account, session, new Date()) };
}

/** Counts how often the vault is asked. */
function counting() {
  const asked = { times: 0 };
  return {
    asked,
    sessions: {
      isAlive: (id: string, now: Date) => {
        asked.times += 1;
        return vault.sessions.isAlive(id, now);
      },
    },
  };
}

/** A listener that the test speaks for. */
function puppet(): ChangesHeard & { complete: boolean; tell(changes: Changes): void } {
  const listeners: ((changes: Changes) => void)[] = [];
  return {
    complete: true,
    onChanges: (one) => {
      listeners.push(one);
    },
    tell: (changes) => {
      for (const one of listeners) one(changes);
    },
  };
}

describe('access tokens of a session that ends', () => {
  const endings: [string, (of: { session: string; account: ReturnType<typeof newId.account> }) => Promise<void>][] = [
    ['a log-out', ({ session }) => vault.sessions.end(session, new Date())],
    ['an erasure or a new password', ({ account }) => vault.sessions.endAll(account, new Date())],
    [
      'a refresh token that is used again',
      async ({ session }) => {
        const { refreshToken } = (await vault.sessions.issue(session, new Date()))!;
        await vault.sessions.rotate(refreshToken, randomUUID(), new Date(Date.now() - 60_000));
        expect((await vault.sessions.rotate(refreshToken, randomUUID(), new Date())).kind).toBe('reused');
      },
    ],
  ];
  for (const [by, end] of endings) {
    it(`are refused by every process as soon as it hears of ${by}, and another's are not`, async () => {
      const [mine, other] = [await login(), await login()];
      // A clock that stands: nothing but the announcement can end the trust.
      const elsewhere = [1, 2].map(() =>
        createAuthenticator(tokens, vault.sessions, { ended: listener, now: () => 0 }),
      );
      for (const one of elsewhere)
        for (const { token } of [mine, other]) expect(await one.account(token)).toMatchObject({ ok: true });
      await end(mine);
      for (const one of elsewhere) {
        await eventually('it is refused', async () => !(await one.account(mine.token)).ok);
        expect(await one.account(mine.token)).toEqual({ ok: false, reason: 'session_ended' });
        expect(await one.account(other.token)).toMatchObject({ ok: true });
      }
    });
  }

  it('are trusted for ten seconds while endings are heard, and for one while they may be lost', async () => {
    const { token } = await login();
    const ended = puppet();
    let now = 0;
    const { asked, sessions } = counting();
    const authenticator = createAuthenticator(tokens, sessions, { ended, now: () => now });
    const askedAt = async (at: number) => {
      now = at;
      await authenticator.account(token);
      return asked.times;
    };
    expect(await askedAt(0)).toBe(1);
    expect(await askedAt(9_999)).toBe(1);
    expect(await askedAt(10_000)).toBe(2);
    ended.complete = false;
    expect(await askedAt(10_999)).toBe(2);
    expect(await askedAt(11_000)).toBe(3);
    ended.tell('all');
    expect(await askedAt(11_000)).toBe(4);
  });

  it('are not kept as alive by a look that the ending overtakes', async () => {
    const { session, token } = await login();
    const ended = puppet();
    const authenticator = createAuthenticator(
      tokens,
      {
        isAlive: async (id, now) => {
          const alive = await vault.sessions.isAlive(id, now);
          if (alive) {
            await vault.sessions.end(session, new Date());
            ended.tell([session]);
          }
          return alive;
        },
      },
      { ended, now: () => 0 },
    );
    expect(await authenticator.account(token)).toMatchObject({ ok: true });
    expect(await authenticator.account(token)).toEqual({ ok: false, reason: 'session_ended' });
  });
});
