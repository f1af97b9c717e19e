import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, type HttpAnswer } from '../testing/http.ts';
import { startMortalServers, type MortalServers, type ServerName } from '../testing/mortal-servers.ts';
import { startWorld, type Person, type World } from '../testing/world.ts';

// Goal: a store that is away costs a client an answer that says so and when to come again, never a 500, and all goes on
// by itself when it is back. Method: a whole stack over servers that are killed and started again.
let servers: MortalServers;
let world: World;
let ann: Person;
let ben: Person;
let post: string;
beforeAll(async () => {
  servers = await startMortalServers();
  world = await startWorld({ servers });
  [ann, ben] = [await world.person('ann'), await world.person('ben')];
  post = await world.publish(ann);
});
afterAll(async () => {
  await world.stop();
  await servers.close();
});

/** Each reads or opens another kind of stream. */
const writes = (key?: string) => {
  const asBen = (method: 'POST' | 'PUT' | 'DELETE', path: string, json?: unknown) =>
    send(world.stack.edgeUrl + path, {
      method,
      token: ben.accessToken,
      ...(json !== undefined && { json }),
      headers: key === undefined ? {} : { 'idempotency-key': key },
    });
  return {
    follow: () => asBen('POST', '/v1/users/ann/follow'),
    unfollow: () => asBen('DELETE', '/v1/users/ann/follow'),
    profile: () => asBen('PUT', '/v1/users/ben', { bio: 'new' }),
    like: () => asBen('POST', `/v1/posts/${post}/like`),
    save: () => asBen('POST', `/v1/posts/${post}/save`),
    comment: () => asBen('POST', `/v1/posts/${post}/comments`, { text: 'nice' }),
    upload: () => asBen('POST', '/v1/media/upload-url', { content_type: 'image/jpeg', file_size: 1_000 }),
    register: () =>
      send(`${world.stack.edgeUrl}/v1/users/register`, {
        json: {
          username: `cas${randomUUID().slice(0, 8)}`,
          email: `${randomUUID()}@example.org`,
          password: 'a long password',
          full_name: 'Cas',
        },
      }),
    login: () => send(`${world.stack.edgeUrl}/v1/users/login`, { json: { username: 'ben', password: ben.password } }),
  };
};
const ask = (path: string) => send(world.stack.edgeUrl + path, { token: ben.accessToken });
const reads = () => [
  '/v1/feed',
  '/v1/feed?order=latest',
  '/v1/users/ann',
  `/v1/posts/${post}`,
  `/v1/posts/${post}/comments`,
  '/v1/stories/feed',
];

async function during(server: ServerName, work: () => Promise<void>): Promise<void> {
  await servers.kill(server);
  try {
    await work();
  } finally {
    await servers.restart(server);
  }
}

const expectAway = (answer: HttpAnswer, what: string) => {
  expect(answer, what).toMatchObject({
    status: 503,
    body: { status: 503, code: expect.stringMatching(/^(unavailable|outcome_unknown)$/) as unknown },
  });
  expect(answer.headers.get('content-type'), what).toMatch(/^application\/problem\+json/);
  expect(Number(answer.headers.get('retry-after')), what).toBeGreaterThan(0);
};

/** Every one succeeds again, at once or after what waited for the store has reconnected. */
async function expectAllBack(): Promise<void> {
  for (const [name, write] of Object.entries(writes()))
    await expect
      .poll(async () => [name, Math.trunc((await write()).status / 100)], { timeout: 30_000 })
      .toEqual([name, 2]);
  for (const path of reads())
    await expect.poll(async () => [path, (await ask(path)).status], { timeout: 30_000 }).toEqual([path, 200]);
}

describe('while the event store is away', () => {
  it('writes answer 503 with Retry-After, reads are served, and both go on when it is back', async () => {
    await during('event-store', async () => {
      for (const [name, write] of Object.entries(writes())) expectAway(await write(), name);
      for (const path of reads()) expect((await ask(path)).status, path).toBe(200);
    });
    await expectAllBack();
  });

  it('a write that was refused succeeds with the same Idempotency-Key afterwards', async () => {
    const { comment } = writes(randomUUID());
    await during('event-store', async () => {
      expectAway(await comment(), 'comment');
    });
    await expect.poll(async () => (await comment()).status, { timeout: 30_000 }).toBe(201);
    expect((await comment()).status).toBe(201);
  });
});

describe('while PostgreSQL is away', () => {
  it('writes and reads answer 503 with Retry-After, and both go on when it is back', async () => {
    await during('postgres', async () => {
      for (const [name, write] of Object.entries(writes(randomUUID()))) expectAway(await write(), name);
      for (const path of reads()) expectAway(await ask(path), path);
    });
    await expectAllBack();
  });
});

describe('while Redis is away', () => {
  it('writes are taken and reads are computed', async () => {
    await during('redis', async () => {
      for (const [name, write] of Object.entries(writes()))
        expect(Math.trunc((await write()).status / 100), name).toBe(2);
      for (const path of reads()) expect((await ask(path)).status, path).toBe(200);
    });
    await expectAllBack();
  });
});
