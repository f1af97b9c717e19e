import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeToken, encodeToken, joinTokens } from '../infra/event-store/consistency-token.ts';
import { drawPhoto } from '../scripts/draw-photo.ts';
import { send, textAt, type HttpAnswer, type HttpRequest } from './http.ts';
import { startStack, type TestStack, type TestStackOptions } from './stack.ts';

/** Somebody with a login, who sees everything that anybody in the world has done. */
export type Person = {
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Reads; waits until the models have passed everything that the world did. */
  get(path: string, request?: HttpRequest): Promise<HttpAnswer>;
  post(path: string, json?: unknown, request?: HttpRequest): Promise<HttpAnswer>;
  put(path: string, json?: unknown): Promise<HttpAnswer>;
  delete(path: string): Promise<HttpAnswer>;
};

export type WorldPost = {
  caption?: string;
  seed?: number;
  photo?: Buffer;
  location?: { name: string; lat: number; lng: number };
  fields?: Record<string, string>;
};

/** People, posts and stories on a whole running stack, made through the public APIs alone. */
export type World = {
  readonly stack: TestStack;
  /** Registers somebody; the name is made up unless it is given. */
  person(username?: string, options?: { fullName?: string; privacy?: 'public' | 'private' }): Promise<Person>;
  /** Everybody in `followers` follows `followee` (or has asked to, when it is private). */
  follow(followee: Person, ...followers: Person[]): Promise<void>;
  /** Posts a drawn photo and waits until it shows. Gives its id. */
  publish(author: Person, post?: WorldPost): Promise<string>;
  /** Uploads a drawn photo by the signed address. Gives the id of its medium. */
  upload(owner: Person, photo?: Buffer): Promise<string>;
  /** Puts up a story and waits until it shows. Gives its id. */
  story(author: Person, options?: { audience?: 'all' | 'close_friends' }): Promise<string>;
  /** Waits for an answer that `isDone` accepts, asking again and again; fails with the last one after 30 s. */
  eventually(ask: () => Promise<HttpAnswer>, isDone: (answer: HttpAnswer) => boolean): Promise<HttpAnswer>;
  /** The joined Consistency-Token of all that was done, for requests that are sent by hand. */
  token(): string;
  stop(): Promise<void>;
};

const READY_LIMIT_MS = 30_000;
const PHOTO = { width: 480, height: 360 };

/** Starts a stack of its own and gives the tools to people it. Rate limits are off unless `env` says otherwise. */
export async function startWorld(options: TestStackOptions = {}): Promise<World> {
  const stack = await startStack({ ...options, env: { RATE_LIMITS: 'off', ...options.env } });
  return { stack, ...toolsFor(stack.edgeUrl), stop: () => stack.stop() };
}

type Tools = Omit<World, 'stack' | 'stop'>;

function toolsFor(origin: string): Tools {
  const jar = openJar();
  const call = async (path: string, request: HttpRequest): Promise<HttpAnswer> => {
    const token = jar.token();
    const answer = await send(path.startsWith('http') ? path : origin + path, {
      ...request,
      headers: { ...(token !== '' && { 'Consistency-Token': token }), ...request.headers },
    });
    jar.take(answer);
    return answer;
  };
  const tools: Tools = {
    token: () => jar.token(),
    eventually,
    person: (username = `p${randomBytes(6).toString('hex')}`, choice = {}) => register(call, username, choice),
    follow: async (followee, ...followers) => {
      for (const follower of followers) expectStatus(await follower.post(`/v1/users/${followee.username}/follow`), 200);
    },
    upload: (owner, photo) => upload(call, owner, photo),
    publish: async (author, post = {}) => {
      const created = expectStatus(await author.post('/v1/posts', undefined, { body: await formOf(post) }), 201);
      const id = textAt(created, 'post_id');
      await waitUntilReady(() => author.get(`/v1/posts/${id}/status`));
      return id;
    },
    story: async (author, { audience = 'all' } = {}) => {
      const mediaId = await tools.upload(author);
      const id = textAt(
        expectStatus(await author.post('/v1/stories', { media_id: mediaId, audience }), 201),
        'story_id',
      );
      await eventually(
        () => author.get(`/v1/users/${author.username}/stories`),
        ({ body }) => JSON.stringify(body).includes(id),
      );
      return id;
    },
  };
  return tools;
}

type Call = (path: string, request: HttpRequest) => Promise<HttpAnswer>;

/** Keeps one token that covers every write seen so far. */
function openJar(): { token(): string; take(answer: HttpAnswer): void } {
  let joined: ReturnType<typeof joinTokens>;
  return {
    token: () => (joined === undefined ? '' : encodeToken(joined)),
    take: ({ headers }) => {
      const fresh = decodeToken(headers.get('consistency-token') ?? '');
      if (fresh !== undefined) joined = joinTokens(joined === undefined ? [fresh] : [joined, fresh]);
    },
  };
}

async function register(
  call: Call,
  username: string,
  { fullName, privacy }: { fullName?: string; privacy?: 'public' | 'private' },
): Promise<Person> {
  const password = `password of ${username}`;
  const answer = expectStatus(
    await call('/v1/users/register', {
      json: { username, email: `${username}@example.org`, password, full_name: fullName ?? username },
    }),
    201,
  );
  const token = textAt(answer, 'access_token');
  const person: Person = {
    id: textAt(answer, 'user_id'),
    username,
    password,
    accessToken: token,
    refreshToken: textAt(answer, 'refresh_token'),
    get: (path, request) => call(path, { token, ...request }),
    post: (path, json, request) =>
      call(path, { method: 'POST', token, ...(json !== undefined && { json }), ...request }),
    put: (path, json) => call(path, { method: 'PUT', token, json }),
    delete: (path) => call(path, { method: 'DELETE', token }),
  };
  if (privacy === 'private') expectStatus(await person.put(`/v1/users/${username}`, { privacy_level: 'private' }), 200);
  return person;
}

async function upload(call: Call, owner: Person, photo?: Buffer): Promise<string> {
  const bytes = photo ?? (await drawPhoto(1, PHOTO));
  const checksum = createHash('sha256').update(bytes).digest('hex');
  const asked = expectStatus(
    await owner.post('/v1/media/upload-url', {
      content_type: 'image/jpeg',
      file_size: bytes.length,
      checksum_sha256: checksum,
    }),
    200,
  );
  const { headers } = asked.body as { headers: Record<string, string> };
  const sent = await call(textAt(asked, 'upload_url'), {
    method: textAt(asked, 'method'),
    body: new Uint8Array(bytes),
    headers,
  });
  if (sent.status >= 300)
    throw new Error(`the upload was refused: ${String(sent.status)} ${JSON.stringify(sent.body)}`);
  return textAt(
    expectStatus(await owner.post(`/v1/media/upload-url/${textAt(asked, 'upload_id')}/complete`), 200),
    'media_id',
  );
}

async function formOf({ caption, seed = 1, photo, location, fields = {} }: WorldPost): Promise<FormData> {
  const form = new FormData();
  form.append(
    'image',
    new Blob([new Uint8Array(photo ?? (await drawPhoto(seed, PHOTO)))], { type: 'image/jpeg' }),
    'photo.jpg',
  );
  if (caption !== undefined) form.append('caption', caption);
  if (location !== undefined) form.append('location', JSON.stringify(location));
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

async function waitUntilReady(ask: () => Promise<HttpAnswer>): Promise<void> {
  const statusOf = ({ body }: HttpAnswer) => (body as { status?: unknown }).status;
  const settled = await eventually(ask, (answer) => statusOf(answer) === 'ready' || statusOf(answer) === 'rejected');
  if (statusOf(settled) === 'rejected') throw new Error(`the post was rejected: ${JSON.stringify(settled.body)}`);
}

async function eventually(
  ask: () => Promise<HttpAnswer>,
  isDone: (answer: HttpAnswer) => boolean,
): Promise<HttpAnswer> {
  const deadline = performance.now() + READY_LIMIT_MS;
  for (;;) {
    const answer = await ask();
    if (isDone(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(
        `still not after ${String(READY_LIMIT_MS)} ms: ${String(answer.status)} ${JSON.stringify(answer.body)}`,
      );
    await delay(20);
  }
}

function expectStatus(answer: HttpAnswer, status: number): HttpAnswer {
  if (answer.status !== status)
    throw new Error(`expected ${String(status)}, got ${String(answer.status)} ${JSON.stringify(answer.body)}`);
  return answer;
}
