import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { z } from 'zod';
import { drawPhoto } from '../../scripts/draw-photo.ts';
import { startStack } from '../../testing/stack.ts';

const ROUNDS = 15;
const WARM_UPS = 3;
const POLL_MS = 10;
const GIVE_UP_MS = 60_000;

/** From asking for an upload to the answer of `/status` that the post is there, in ms. `megabytes`: of the photo. */
export type Uploads = {
  readonly megabytes: number;
  readonly p50: number;
  readonly slowest: number;
  readonly sent: number;
  readonly posted: number;
};

const Registered = z.object({ access_token: z.string() });
const Asked = z.object({ upload_id: z.string(), upload_url: z.string(), headers: z.record(z.string(), z.string()) });
const Completed = z.object({ media_id: z.string() });
const Created = z.object({ post_id: z.string() });
const Status = z.object({ status: z.enum(['processing', 'ready', 'rejected']) });

/** Posts phone photos of about 3 MB one after the other over HTTP, on a whole stack of its own. */
export async function timeUploads(): Promise<Uploads> {
  const photo = await phonePhoto();
  const stack = await startStack({ env: { RATE_LIMITS: 'off' } });
  try {
    const call = await registered(stack.edgeUrl);
    const times: { sent: number; posted: number; published: number }[] = [];
    for (let round = -WARM_UPS; round < ROUNDS; round++) {
      const time = await publish(call, photo);
      if (round >= 0) times.push(time);
    }
    const published = times.map((time) => time.published);
    return {
      megabytes: photo.length / 1e6,
      p50: median(published),
      slowest: Math.max(...published),
      sent: median(times.map(({ sent }) => sent)),
      posted: median(times.map(({ posted }) => posted)),
    };
  } finally {
    await stack.stop();
  }
}

async function phonePhoto(): Promise<Buffer> {
  const drawn = await drawPhoto(0, { width: 4032, height: 3024 });
  const candidates = await Promise.all([88, 91, 93, 95].map((quality) => sharp(drawn).jpeg({ quality }).toBuffer()));
  return candidates.find(({ length }) => length >= 3e6) ?? candidates.at(-1) ?? drawn;
}

type Call = (method: 'GET' | 'POST', path: string, body?: unknown) => Promise<unknown>;

async function registered(origin: string): Promise<Call> {
  const send = async (method: string, path: string, token?: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(origin + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${String(answer.status)} ${await answer.text()}`);
    return answer.json();
  };
  const { access_token } = Registered.parse(
    await send('POST', '/v1/users/register', undefined, {
      username: 'bench.uploads',
      email: 'bench@example.org',
      password: 'a long password for a benchmark',
      full_name: 'Bench',
    }),
  );
  return (method, path, body) => send(method, path, access_token, body);
}

async function publish(call: Call, photo: Buffer): Promise<{ sent: number; posted: number; published: number }> {
  const start = performance.now();
  const asked = Asked.parse(
    await call('POST', '/v1/media/upload-url', { content_type: 'image/jpeg', file_size: photo.length }),
  );
  const put = await fetch(asked.upload_url, { method: 'PUT', headers: asked.headers, body: new Uint8Array(photo) });
  if (!put.ok) throw new Error(`the upload was answered with ${String(put.status)}`);
  await put.arrayBuffer();
  const sent = performance.now() - start;
  const { media_id } = Completed.parse(await call('POST', `/v1/media/upload-url/${asked.upload_id}/complete`, {}));
  const { post_id } = Created.parse(await call('POST', '/v1/posts', { caption: 'On the road', media_ids: [media_id] }));
  const posted = performance.now() - start;
  while (performance.now() - start < GIVE_UP_MS) {
    const { status } = await statusOf(call, post_id);
    if (status === 'ready') return { sent, posted, published: performance.now() - start };
    if (status === 'rejected') throw new Error('the photo was rejected');
    await delay(POLL_MS);
  }
  throw new Error('the post was not published within a minute');
}

// The read model may not know a post yet that was made a moment ago.
async function statusOf(call: Call, postId: string): Promise<z.output<typeof Status>> {
  return Status.parse(await call('GET', `/v1/posts/${postId}/status`).catch(() => ({ status: 'processing' })));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
