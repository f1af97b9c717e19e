import { createHash } from 'node:crypto';
import { z } from 'zod';
import { createApiClient, type ApiClient } from '../cli/import/api-client.ts';
import { inParallel } from '../cli/import/in-parallel.ts';
import { signOperatorToken } from '../infra/auth/jwt.ts';
import { onParentGone } from '../infra/process/parent-gone.ts';
import { drawPhoto } from './draw-photo.ts';

/**
 * Fills a new stack with a small world through its public API: ten accounts that follow each other, posts with drawn
 * photos, likes, comments and a story. It prints how far it is, and as its last line the demo login, as JSON. Fixed
 * idempotency keys make a second try after a failure go on where the first one ended.
 */
const Environment = z.object({ WRITE_API_URL: z.url(), READ_API_URL: z.url(), JWT_SECRET: z.string().min(32) });

const DEMO = 'demo';
const ACCOUNTS = [
  { username: DEMO, name: 'Demo account', bio: 'Look around: this account follows all the others.' },
  { username: 'harbour.light', name: 'Harbour Light', bio: 'Boats, masts, mornings.' },
  { username: 'high.ground', name: 'High Ground', bio: 'Ridges and what lies behind them.' },
  { username: 'night.lines', name: 'Night Lines', bio: 'The city after ten.' },
  { username: 'slow.water', name: 'Slow Water', bio: 'Lakes without wind.' },
  { username: 'old.quarter', name: 'Old Quarter', bio: 'Roofs, stairs, corners.' },
  { username: 'field.notes', name: 'Field Notes', bio: 'Horizons, mostly.' },
  { username: 'tram.window', name: 'Tram Window', bio: 'Seen on the way.' },
  { username: 'first.frost', name: 'First Frost', bio: 'Cold light.' },
  { username: 'salt.and.pine', name: 'Salt and Pine', bio: 'Where the wood meets the sea.' },
] as const;
const CAPTIONS = [
  'Before anybody was up #morning',
  'It held for a minute #light',
  'Walked past twice #city',
  'No filter needed #sky',
  'From the top #view',
  'Waiting for the ferry #harbour',
];
const COMMENTS = ['What a light.', 'Where is this?', 'I know that corner!', 'Print this one.'];
const POSTS_EACH = 3;
const WIDTH = 4;

type Session = { username: string; accessToken: string };

onParentGone(() => process.exit(1));
const env = Environment.parse(process.env);
const write = createApiClient(env.WRITE_API_URL, {
  operatorToken: () => signOperatorToken(env.JWT_SECRET, new Date()),
});
const password = createHash('sha256').update(`demo ${env.JWT_SECRET}`).digest('base64url').slice(0, 14);

/** Posting a photo and making it ready takes by far the longest, the rest goes by in a moment. */
const POSTS = (ACCOUNTS.length - 1) * POSTS_EACH;
const made = { done: 0, total: ACCOUNTS.length + 2 * POSTS + 3 };
const advance = (): void => {
  made.done += 1;
  console.log(JSON.stringify(made));
};

const sessions = await registerAll();
await followAll(sessions).then(advance);
const posts = await postAll(sessions);
await waitUntilReady(posts);
await react(sessions, posts).then(advance);
await story(sessions[1]).then(advance);
console.log(JSON.stringify({ username: DEMO, password }));

async function registerAll(): Promise<Session[]> {
  const all: Session[] = [];
  for (const { username, name, bio } of ACCOUNTS) {
    const body = { username, email: `${username}@example.org`, password, full_name: name };
    const answer = await write.send({
      method: 'POST',
      path: '/v1/users/register',
      body,
      idempotencyKey: `demo-register-${username}`,
    });
    const accessToken = z.object({ access_token: z.string() }).parse(answer).access_token;
    await write.send({ method: 'PUT', path: `/v1/users/${username}`, body: { bio }, accessToken });
    all.push({ username, accessToken });
    advance();
  }
  return all;
}

/** The demo account follows everybody; the others follow those after them, so that feeds differ. */
async function followAll(all: readonly Session[]): Promise<void> {
  const pairs = all.flatMap((from, i) =>
    all
      .filter((to, j) => from !== to && (i === 0 || (j - i + all.length) % all.length <= 4))
      .map((to) => ({ from, to })),
  );
  await each(pairs, async ({ from, to }) => {
    await write.send({ method: 'POST', path: `/v1/users/${to.username}/follow`, accessToken: from.accessToken });
  });
}

async function postAll(all: readonly Session[]): Promise<{ id: string; author: Session }[]> {
  const plan = all
    .slice(1)
    .flatMap((author, a) => Array.from({ length: POSTS_EACH }, (_, n) => ({ author, number: a * POSTS_EACH + n })));
  const composed: { id: string; author: Session }[] = [];
  await each(plan, async ({ author, number }) => {
    const mediaId = await uploadPhoto(author, number);
    const body = {
      caption: CAPTIONS[number % CAPTIONS.length],
      media_ids: [mediaId],
      alt_texts: ['A drawn landscape'],
    };
    const answer = await write.send({
      method: 'POST',
      path: '/v1/posts',
      body,
      accessToken: author.accessToken,
      idempotencyKey: `demo-post-${number}`,
    });
    composed.push({ id: z.object({ post_id: z.string() }).parse(answer).post_id, author });
    advance();
  });
  return composed;
}

async function uploadPhoto(owner: Session, seed: number): Promise<string> {
  const photo = await drawPhoto(seed);
  const checksum = createHash('sha256').update(photo).digest('hex');
  const grant = z
    .object({
      upload_id: z.string(),
      upload_url: z.url(),
      method: z.string(),
      headers: z.record(z.string(), z.string()),
    })
    .parse(
      await write.send({
        method: 'POST',
        path: '/v1/media/upload-url',
        body: { content_type: 'image/jpeg', file_size: photo.length, checksum_sha256: checksum },
        accessToken: owner.accessToken,
        idempotencyKey: `demo-upload-${seed}`,
      }),
    );
  const sent = await fetch(grant.upload_url, {
    method: grant.method,
    headers: grant.headers,
    body: new Uint8Array(photo),
  });
  if (!sent.ok && sent.status !== 409) throw new Error(`the upload answered ${sent.status}: ${await sent.text()}`);
  const done = await write.send({
    method: 'POST',
    path: `/v1/media/upload-url/${grant.upload_id}/complete`,
    accessToken: owner.accessToken,
    idempotencyKey: `demo-complete-${seed}`,
  });
  return z.object({ media_id: z.string() }).parse(done).media_id;
}

async function waitUntilReady(all: readonly { id: string; author: Session }[]): Promise<void> {
  const read: ApiClient = createApiClient(env.READ_API_URL, {
    operatorToken: () => signOperatorToken(env.JWT_SECRET, new Date()),
  });
  const deadline = Date.now() + 120_000;
  await each(all, async ({ id, author }) => {
    for (;;) {
      const answer = await read
        .send({ method: 'GET', path: `/v1/posts/${id}/status`, accessToken: author.accessToken })
        .catch(() => ({ status: 'processing' }));
      if (z.object({ status: z.string() }).parse(answer).status !== 'processing') break;
      if (Date.now() > deadline) throw new Error(`${id} was not published within two minutes`);
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    advance();
  });
}

async function react(all: readonly Session[], shown: readonly { id: string; author: Session }[]): Promise<void> {
  const likes = shown.flatMap(({ id, author }, p) =>
    all.filter((from, i) => from !== author && (p * 7 + i * 3) % 5 < 2).map((from) => ({ id, from })),
  );
  await each(likes, async ({ id, from }) => {
    await write.send({ method: 'POST', path: `/v1/posts/${id}/like`, accessToken: from.accessToken });
  });
  await each(
    shown.filter((_, p) => p % 3 === 0),
    async ({ id, author }, p) => {
      const from = all.find((one) => one !== author && one.username !== DEMO);
      if (from === undefined) return;
      await write.send({
        method: 'POST',
        path: `/v1/posts/${id}/comments`,
        body: { text: COMMENTS[p % COMMENTS.length] },
        accessToken: from.accessToken,
        idempotencyKey: `demo-comment-${id}`,
      });
    },
  );
}

async function story(author: Session | undefined): Promise<void> {
  if (author === undefined) return;
  const mediaId = await uploadPhoto(author, 1_000);
  await write.send({
    method: 'POST',
    path: '/v1/stories',
    body: { media_id: mediaId },
    accessToken: author.accessToken,
    idempotencyKey: 'demo-story',
  });
}

function each<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  return inParallel(items, { width: WIDTH, signal: new AbortController().signal, onDone: () => undefined }, work);
}
