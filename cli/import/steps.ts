import { z } from 'zod';
import type { Progress } from '../progress.ts';
import { ApiError, type ApiClient } from './api-client.ts';
import type { Graph } from './graph.ts';
import { inParallel } from './in-parallel.ts';
import type { Photo } from './photos.ts';

/** What every step of an import needs. */
export type Import = {
  readonly write: ApiClient;
  readonly read: ApiClient;
  /** Starts the user name of every imported account; also part of the idempotency keys. */
  readonly prefix: string;
  readonly password: string;
  readonly width: number;
  readonly signal: AbortSignal;
  readonly progress: (step: string, unit: string) => Progress;
};

/** Access tokens by the name that the graph uses. */
export type Tokens = ReadonlyMap<string, string>;

const Session = z.object({ access_token: z.string() });
const Upload = z.object({ upload_id: z.string(), upload_url: z.string(), method: z.string(), headers: z.record(z.string(), z.string()) });
const Media = z.object({ media_id: z.string() });
const Post = z.object({ post_id: z.string() });
const Status = z.object({ status: z.enum(['processing', 'ready', 'rejected']) });

export const usernameOf = (prefix: string, person: string) => `${prefix}${person}`.toLowerCase();

/** Registers everybody, or logs in who is there already, so that an interrupted import can be started again. */
export async function importAccounts(job: Import, people: readonly string[]): Promise<Tokens> {
  const tokens = new Map<string, string>();
  await step(job, { name: 'accounts', unit: 'accounts' }, people, async (person) => {
    const username = usernameOf(job.prefix, person);
    const body = { username, email: `${username}@example.org`, password: job.password, full_name: `Person ${person}` };
    const answer = await job.write.send({ method: 'POST', path: '/v1/users/register', body, idempotencyKey: `import-register-${username}` }).catch(async (error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
      return job.write.send({ method: 'POST', path: '/v1/users/login', body: { username, password: job.password } });
    });
    tokens.set(person, Session.parse(answer).access_token);
  });
  return tokens;
}

/** Makes everybody follow as the graph says; a follow that exists already stays. */
export async function importFollows(job: Import, graph: Graph, tokens: Tokens): Promise<void> {
  await step(job, { name: 'follows', unit: 'follows' }, graph.follows, async ([follower, followee]) => {
    await job.write.send({ method: 'POST', path: `/v1/users/${usernameOf(job.prefix, followee)}/follow`, ...as(tokens, follower) });
  });
}

/** Uploads a photo for each post, composes the posts in turn for the people, and gives their ids. */
export async function importPosts(job: Import, plan: { photos: readonly Photo[]; authors: readonly string[]; posts: number }, tokens: Tokens): Promise<{ postId: string; author: string }[]> {
  const made: { postId: string; author: string }[] = [];
  const numbers = Array.from({ length: plan.posts }, (_, i) => i);
  await step(job, { name: 'posts', unit: 'posts' }, numbers, async (i) => {
    const author = plan.authors[i % plan.authors.length];
    const photo = plan.photos[i % plan.photos.length];
    if (author === undefined || photo === undefined) return;
    const mediaId = await upload(job, photo, { author, key: `${job.prefix}${i}` }, tokens);
    const body = { caption: `Photo ${i + 1}, ${photo.name} #imported`, media_ids: [mediaId] };
    const answer = await job.write.send({ method: 'POST', path: '/v1/posts', body, idempotencyKey: `import-post-${job.prefix}${i}`, ...as(tokens, author) });
    made.push({ postId: Post.parse(answer).post_id, author });
  });
  return made;
}

/** Waits until every post is published or rejected; gives how many of each. */
export async function waitForPosts(job: Import, posts: readonly { postId: string; author: string }[], tokens: Tokens): Promise<{ ready: number; rejected: number }> {
  const counts = { ready: 0, rejected: 0 };
  await step(job, { name: 'publishing', unit: 'posts' }, posts, async ({ postId, author }) => {
    for (;;) {
      job.signal.throwIfAborted();
      const { status } = Status.parse(await job.read.send({ method: 'GET', path: `/v1/posts/${postId}/status`, ...as(tokens, author) }).catch(missingIsProcessing));
      if (status !== 'processing') { counts[status] += 1; return; }
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    }
  });
  return counts;
}

// Right after the post was made its read model may not have it yet.
function missingIsProcessing(error: unknown): { status: string } {
  if (error instanceof ApiError && error.status === 404) return { status: 'processing' };
  throw error;
}

async function upload(job: Import, photo: Photo, who: { author: string; key: string }, tokens: Tokens): Promise<string> {
  const body = { content_type: photo.contentType, file_size: photo.bytes.length, checksum_sha256: photo.sha256 };
  const session = as(tokens, who.author);
  const grant = Upload.parse(await job.write.send({ method: 'POST', path: '/v1/media/upload-url', body, idempotencyKey: `import-upload-${who.key}`, ...session }));
  const sent = await fetch(grant.upload_url, { method: grant.method, headers: grant.headers, body: new Uint8Array(photo.bytes), signal: job.signal });
  // 409: an earlier run of this import has sent the file already.
  if (!sent.ok && sent.status !== 409) throw new ApiError(`upload of ${photo.name}`, sent.status, { detail: await sent.text() });
  return Media.parse(await job.write.send({ method: 'POST', path: `/v1/media/upload-url/${grant.upload_id}/complete`, idempotencyKey: `import-complete-${who.key}`, ...session })).media_id;
}

function as(tokens: Tokens, person: string): { accessToken: string } {
  const accessToken = tokens.get(person);
  if (accessToken === undefined) throw new Error(`${person} has no session`);
  return { accessToken };
}

async function step<T>(job: Import, { name, unit }: { name: string; unit: string }, items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const shown = job.progress(name, unit);
  try {
    await inParallel(items, { width: job.width, signal: job.signal, onDone: (done) => { shown.at(done, items.length); } }, work);
  } finally {
    shown.end();
  }
}
