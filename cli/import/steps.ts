import { z } from 'zod';
import type { Progress } from '../progress.ts';
import { ApiError, type ApiClient } from './api-client.ts';
import type { Graph } from './graph.ts';
import { inParallel } from './in-parallel.ts';
import type { Photo } from './photos.ts';
import type { Sessions } from './sessions.ts';

/** What every step of an import needs. */
export type Import = {
  readonly write: ApiClient;
  readonly read: ApiClient;
  readonly sessions: Sessions;
  /** The user name of a person of the graph. */
  readonly usernameOf: (person: string) => string;
  /** Part of the idempotency keys, so that two imports do not meet. */
  readonly prefix: string;
  readonly width: number;
  readonly signal: AbortSignal;
  readonly progress: (step: string, unit: string) => Progress;
};

const Upload = z.object({
  upload_id: z.string(),
  upload_url: z.string(),
  method: z.string(),
  headers: z.record(z.string(), z.string()),
});
const Media = z.object({ media_id: z.string() });
const Post = z.object({ post_id: z.string() });
const Status = z.object({ status: z.enum(['processing', 'ready', 'rejected']), reason: z.string().optional() });
const Listed = z.object({
  users: z.array(z.object({ username: z.string() })),
  pagination: z.object({ next_cursor: z.string().nullable() }),
});
const POLL_MS = 200;

/** Registers everybody, or logs in who is there already, so that an interrupted import can be started again. */
export async function importAccounts(job: Import, people: readonly string[]): Promise<void> {
  await step(job, { name: 'accounts', unit: 'accounts' }, people, (person) => job.sessions.open(person));
}

/** Makes everybody follow as the graph says, in its order; gives how many follows an earlier run had made already. */
export async function importFollows(job: Import, graph: Graph): Promise<number> {
  const missing = await missingFollows(job, graph.follows);
  await step(job, { name: 'follows', unit: 'follows' }, missing, async ([follower, followee]) => {
    await job.sessions.send(job.write, follower, {
      method: 'POST',
      path: `/v1/users/${job.usernameOf(followee)}/follow`,
    });
  });
  return graph.follows.length - missing.length;
}

// Following twice is harmless, but asking what is there takes a page for a hundred follows. They are made in order:
// when the first is not there, none is.
async function missingFollows(job: Import, follows: Graph['follows']): Promise<Graph['follows']> {
  const [first] = follows;
  if (first === undefined || !(await followedBy(job, first[0])).has(job.usernameOf(first[1]))) return follows;
  const followers = [...new Set(follows.map(([follower]) => follower))];
  const followed = new Map<string, ReadonlySet<string>>();
  await step(job, { name: 'what is there', unit: 'accounts' }, followers, async (follower) => {
    followed.set(follower, await followedBy(job, follower));
  });
  return follows.filter(([follower, followee]) => followed.get(follower)?.has(job.usernameOf(followee)) !== true);
}

async function followedBy(job: Import, person: string): Promise<Set<string>> {
  const usernames = new Set<string>();
  let cursor = '';
  do {
    const path = `/v1/users/${job.usernameOf(person)}/following?limit=100${cursor}`;
    const { users, pagination } = Listed.parse(
      await job.sessions.send(job.read, person, { method: 'GET', path }).catch(missingFollowsNobody),
    );
    for (const { username } of users) usernames.add(username);
    cursor = pagination.next_cursor === null ? '' : `&cursor=${encodeURIComponent(pagination.next_cursor)}`;
  } while (cursor !== '');
  return usernames;
}

// Right after somebody registered the read models may not have them yet.
function missingFollowsNobody(error: unknown): z.infer<typeof Listed> {
  if (error instanceof ApiError && error.status === 404) return { users: [], pagination: { next_cursor: null } };
  throw error;
}

/** Uploads a photo for each post, composes the posts in turn for the people, and gives their ids. */
export async function importPosts(
  job: Import,
  plan: { photos: readonly Photo[]; authors: readonly string[]; posts: number },
): Promise<MadePost[]> {
  const made: MadePost[] = [];
  const numbers = Array.from({ length: plan.posts }, (_, i) => i);
  await step(job, { name: 'posts', unit: 'posts' }, numbers, async (i) => {
    const author = plan.authors[i % plan.authors.length];
    const photo = plan.photos[i % plan.photos.length];
    if (author === undefined || photo === undefined) return;
    const mediaId = await upload(job, photo, { author, key: `${job.prefix}${i}` });
    const body = { caption: `Photo ${i + 1}, ${photo.name} #imported`, media_ids: [mediaId] };
    const answer = await job.sessions.send(job.write, author, {
      method: 'POST',
      path: '/v1/posts',
      body,
      idempotencyKey: `import-post-${job.prefix}${i}`,
    });
    made.push({ postId: Post.parse(answer).post_id, author, photo: photo.name });
  });
  return made;
}

export type MadePost = { readonly postId: string; readonly author: string; readonly photo: string };

/** What became of the posts: how many are published, and why how many of each photo are not. */
export type Outcome = { readonly ready: number; readonly rejected: ReadonlyMap<string, number> };

/** Waits until every post is published or rejected. */
export async function waitForPosts(job: Import, posts: readonly MadePost[]): Promise<Outcome> {
  let ready = 0;
  const rejected = new Map<string, number>();
  await step(job, { name: 'publishing', unit: 'posts' }, posts, async ({ postId, author, photo }) => {
    const { status, reason } = await settled(job, author, postId);
    if (status === 'ready') ready += 1;
    else
      rejected.set(
        `${photo}: ${reason ?? 'no reason given'}`,
        (rejected.get(`${photo}: ${reason ?? 'no reason given'}`) ?? 0) + 1,
      );
  });
  return { ready, rejected };
}

async function settled(job: Import, author: string, postId: string): Promise<z.infer<typeof Status>> {
  for (;;) {
    job.signal.throwIfAborted();
    const answer = Status.parse(
      await job.sessions
        .send(job.read, author, { method: 'GET', path: `/v1/posts/${postId}/status` })
        .catch(missingIsProcessing),
    );
    if (answer.status !== 'processing') return answer;
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}

// Right after the post was made its read model may not have it yet.
function missingIsProcessing(error: unknown): { status: string } {
  if (error instanceof ApiError && error.status === 404) return { status: 'processing' };
  throw error;
}

async function upload(job: Import, photo: Photo, { author, key }: { author: string; key: string }): Promise<string> {
  const body = { content_type: photo.contentType, file_size: photo.bytes.length, checksum_sha256: photo.sha256 };
  const grant = Upload.parse(
    await job.sessions.send(job.write, author, {
      method: 'POST',
      path: '/v1/media/upload-url',
      body,
      idempotencyKey: `import-upload-${key}`,
    }),
  );
  const sent = await fetch(grant.upload_url, {
    method: grant.method,
    headers: grant.headers,
    body: new Uint8Array(photo.bytes),
    signal: job.signal,
  });
  const said = await sent.text();
  // 409: an earlier run of this import has sent the file already.
  if (!sent.ok && sent.status !== 409) throw new ApiError(`upload of ${photo.name}`, sent.status, { detail: said });
  return Media.parse(
    await job.sessions.send(job.write, author, {
      method: 'POST',
      path: `/v1/media/upload-url/${grant.upload_id}/complete`,
      idempotencyKey: `import-complete-${key}`,
    }),
  ).media_id;
}

async function step<T>(
  job: Import,
  { name, unit }: { name: string; unit: string },
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const shown = job.progress(name, unit);
  try {
    await inParallel(
      items,
      {
        width: job.width,
        signal: job.signal,
        onDone: (done) => {
          shown.at(done, items.length);
        },
      },
      work,
    );
  } finally {
    shown.end();
  }
}
