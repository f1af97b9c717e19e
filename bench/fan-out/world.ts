import type { Redis } from 'ioredis';
import type { AccountId, PostId } from '../../domain/ids.ts';
import type { EventStore, NewEvent } from '../../infra/event-store/event-store.ts';
import { newId } from '../../infra/ids.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import type { Entry } from '../../infra/redis/sorted-index.ts';
import { BUCKETS, keysOf } from '../../projections/lane-keys.ts';
import { inPortions, type Models } from '../feed/models.ts';
import type { Cpu } from './cpu.ts';

/**
 * Everything that a fan-out is measured on. `urls`: event store, database, Redis; `before`: the head before the posts
 * of a round.
 */
export type Bench = {
  readonly models: Models;
  readonly store: EventStore;
  readonly redis: Redis;
  readonly urls: readonly [string, string, string];
  readonly viewers: readonly AccountId[];
  readonly cpu: (projector?: number) => Cpu;
  before?: string;
};
export type Author = { readonly id: AccountId; readonly viewers: readonly AccountId[] };

/** Memory bounds what feeds hold where viewers are many. */
const ENTRIES_IN_ALL = 3_000_000;
const FULL = 500;
const DAY_MS = 86_400_000;

/**
 * What every feed holds before a round: as many entries of some days ago as a feed can, or as there is memory for;
 * newest first.
 */
export function oldEntries({ viewers }: Bench): Entry[] {
  const since = Date.now() - 3 * DAY_MS;
  return Array.from({ length: Math.min(FULL, Math.floor(ENTRIES_IN_ALL / viewers.length)) }, (_, i) => ({
    id: newId.post(),
    score: since - i,
  }));
}

/** Empties Redis and makes everybody's feed, as if all had just read theirs. */
export async function makeFeeds(bench: Bench) {
  const { models, redis, viewers } = bench;
  await redis.flushdb();
  const entries = oldEntries(bench);
  const prefix = models.builds.prefix('home-feed');
  const indexes = createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS });
  const keyOf = keysOf(prefix, 'feed');
  for (let at = 0; at < viewers.length; at += 500) {
    // The second follows the first on the same connection.
    const done = await Promise.all(
      viewers
        .slice(at, at + 500)
        .flatMap((viewer) => [
          indexes.lease(keyOf(viewer), 'bench', 60_000),
          indexes.fill(keyOf(viewer), 'bench', { entries, cut: entries.length >= FULL }, DAY_MS),
        ]),
    );
    if (done.some((answer) => answer !== 'taken' && answer !== true)) throw new Error('a feed could not be made');
  }
  return { indexes, keyOf };
}

export type Post = { readonly postId: PostId; readonly authorId: AccountId; readonly publishedAt: string };

/** Posts that were made some time ago, so that the models have them already. */
export async function makePosts({ models: { pool, builds } }: Bench, authors: readonly AccountId[]): Promise<Post[]> {
  const now = Date.now();
  const posts = authors.map((authorId, i) => ({
    postId: newId.post(),
    authorId,
    publishedAt: new Date(now - 3_600_000 + i).toISOString(),
  }));
  await inPortions(posts, async (some) => {
    await pool.query(
      `insert into ${builds.schema('posts')}.post (post_id, author_id, caption, comments_disabled, status, created_at)
       select id, author, 'A picture of the day', false, 'processing', at from unnest($1::text[], $2::text[], $3::timestamptz[]) as t (id, author, at)`,
      [
        some.map(({ postId }) => postId),
        some.map(({ authorId }) => authorId),
        some.map(({ publishedAt }) => publishedAt),
      ],
    );
  });
  return posts;
}

/** Appends the publications of posts. */
export async function publish(store: EventStore, posts: readonly Post[]): Promise<void> {
  const events = posts.map((data) => stored('PostPublished', data.authorId, data.publishedAt, data));
  for (let at = 0; at < events.length; at += 400)
    await store.append(`bench-${crypto.randomUUID()}`, 'no_stream', events.slice(at, at + 400));
}

function stored(type: string, owner: string, occurredAt: string, data: NewEvent['data']): NewEvent {
  return {
    id: crypto.randomUUID(),
    type,
    data,
    metadata: {
      $correlationId: 'bench',
      $causationId: 'bench',
      commandId: crypto.randomUUID(),
      actorId: 'system',
      owners: [owner],
      occurredAt,
      schemaVersion: 1,
    },
  };
}
