import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccountId } from '../../domain/ids.ts';
import { createTokens } from '../../infra/auth/jwt.ts';
import { createTestRedis } from '../../testing/redis.ts';
import { startServer } from '../event-store/processes.ts';
import { measureBluesky } from './bluesky.ts';
import type { Graph } from './graph.ts';
import { likeAlong } from './likes.ts';
import { fastest, load, type Load } from './load.ts';
import { createModels, writeGraph, type Models } from './models.ts';
import { withCelebrities, writePosts } from './posts.ts';

const SECRET = 'a secret of the benchmark, long enough for anybody';
const STORE_ID = '00000000-0000-4000-8000-000000000001';

export const SETTINGS = { celebrities: 3, connections: 16, viewers: 500, seconds: 4, rounds: 3, likes: 100 } as const;

/**
 * Home feeds at the highest rate, at that with likes all the while, at half of it, and one at a time; the bare limit;
 * the peer where it could be had.
 */
export type Measured = {
  readonly world: string;
  readonly posts: number;
  readonly best: Load;
  readonly liking: Load;
  readonly half: Load;
  readonly one: Load;
  readonly bare: Load;
  readonly bluesky: Load | undefined;
};

/**
 * Writes a world in which each account has `each` posts and everybody follows three celebrities, and reads feeds in it.
 */
export async function measure(
  plain: Graph,
  { each, withPeer }: { each: number; withPeer: boolean },
): Promise<Measured> {
  const { celebrities: stars, connections, viewers, seconds, rounds } = SETTINGS;
  const directory = await mkdtemp(join(tmpdir(), 'bench-feed-'));
  const models = await createModels({ storeId: STORE_ID });
  const server = await createTestRedis();
  const processes: { stop(): Promise<void> }[] = [];
  try {
    const { graph, celebrities } = withCelebrities(plain, stars);
    await writeGraph(models, graph, celebrities);
    const posts = await writePosts(models, graph, each, new Date());
    const callers = join(directory, 'tokens');
    const issuer = createTokens(SECRET);
    await writeFile(
      callers,
      (
        await Promise.all(plain.accounts.slice(0, viewers).map((id) => issuer.forAccount(id, 'bench', new Date())))
      ).join('\n'),
    );
    const reads = await startServer('../feed/read-api.child.ts', [models.url, server.url, SECRET, directory]);
    processes.push(reads);
    const feeds = { url: reads.url, callers, connections, seconds };
    // Everybody reads twice, so that feeds, signals and tastes are there, as they are in a running system.
    await load({ ...feeds, seconds: 0 });
    const warm = await load({ ...feeds, seconds: 0 });
    const bare = await startServer('../feed/bare.child.ts', [server.url, String(warm.bytes)]);
    processes.push(bare);
    const loads: { feed: Load; bare: Load }[] = [];
    for (let round = 0; round < rounds; round += 1)
      loads.push({ bare: await load({ ...feeds, url: bare.url }), feed: await load(feeds) });
    const [first, ...others] = loads;
    if (first === undefined) throw new Error('no round was measured');
    const best = fastest([first.feed, ...others.map(({ feed }) => feed)]);
    return {
      world: plain.name,
      posts,
      best,
      bare: fastest([first.bare, ...others.map((one) => one.bare)]),
      liking: await whileLiked(models, plain.accounts.slice(0, viewers), () => load(feeds)),
      half: await load({ ...feeds, rate: best.rate / 2 }),
      one: await load({ ...feeds, connections: 1 }),
      bluesky: withPeer
        ? await measureBluesky(models, {
            viewers: plain.accounts.slice(0, viewers),
            connections,
            seconds,
            rounds,
            directory,
          })
        : undefined,
    };
  } finally {
    for (const one of processes) await one.stop();
    await server.close();
    await models.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function whileLiked(models: Models, viewers: readonly AccountId[], work: () => Promise<Load>): Promise<Load> {
  const ending = new AbortController();
  const liking = likeAlong(models, { viewers, perSecond: SETTINGS.likes, signal: ending.signal });
  try {
    return await work();
  } finally {
    ending.abort();
    await liking;
  }
}
