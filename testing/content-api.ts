import { createHash, randomBytes } from 'node:crypto';
import type { AccountId, PostId } from '../domain/ids.ts';
import { START_OF_LOG } from '../domain/position.ts';
import { logCdn } from '../infra/object-store/cdn.ts';
import { listen } from '../infra/http/server.ts';
import { createTokens } from '../infra/auth/jwt.ts';
import { createMediaAddresses } from '../infra/object-store/media-addresses.ts';
import { noLimits } from '../infra/redis/rate-limit.ts';
import { startMediaWorkers } from '../media/worker-pool.ts';
import { deleteMedia } from '../commands/reactions/media/delete-media.ts';
import { tableQueue } from '../commands/reactions/media/media-queue.ts';
import { startMediaWork } from '../commands/reactions/media/media-workers.ts';
import { processMedia } from '../commands/reactions/media/process-media.ts';
import { publishPosts } from '../commands/reactions/posts/publish-posts.ts';
import { publishStories } from '../commands/reactions/posts/publish-stories.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions, postgresProjections } from '../projections/catalog.ts';
import { ensureLiveBuild } from '../projections/builds/switch-over.ts';
import { createFreshness } from '../projections/builds/consistency.ts';
import { Runner } from '../projections/runner/runner.ts';
import { createWriteApi } from '../write-api/app.ts';
import { contentRoutes } from '../write-api/content-routes.ts';
import { createOwnCounts } from '../write-api/own-counts.ts';
import { isWriteRefusal } from '../write-api/problem.ts';
import { uploadHandler } from '../write-api/upload-handler.ts';
import { openContentWorld, type ContentWorld } from './content-world.ts';
import { send, textAt, type HttpAnswer, type HttpRequest } from './http.ts';
import { eventually } from './projector-world.ts';
import { startReactor } from './reactor.ts';

/** The write API over a world with its projector, its reactor and its media workers, all in this process. */
export type ContentApi = ContentWorld & {
  readonly origin: string;
  /** Sends a request as an account; `path` begins with `/v1`. */
  request(account: AccountId, path: string, request?: HttpRequest): Promise<HttpAnswer>;
  /** Asks for an upload of some bytes; `change` lies about them. */
  askUpload(account: AccountId, bytes: Buffer, change?: Record<string, unknown>): Promise<HttpAnswer>;
  /** Uploads and completes a file as a client does, and gives its media id. */
  upload(account: AccountId, bytes: Buffer, contentType?: string): Promise<string>;
  /** Waits until a post is no longer being processed, and says what became of it. */
  settled(postId: PostId): Promise<string>;
};

/** Opens the whole; close it when the tests are done. */
export async function openContentApi(): Promise<ContentApi> {
  const world = await openContentWorld();
  const projector = await startProjector(world);
  const workers = startMediaWorkers({ workers: 2 });
  const stop = new AbortController();
  const queue = tableQueue(world.pool);
  const reactor = await startReactor(world, [
    processMedia({ queue }),
    publishPosts(world),
    publishStories(world),
    deleteMedia({ ...world, cdn: logCdn(world.log), passed: async () => 'passed' }),
  ]);
  const work = startMediaWork({ ...world, queue, workers }, { concurrency: 2, pollMs: 20 }, stop.signal);
  const secret = randomBytes(32).toString('hex');
  const tokens = createTokens(secret);
  const addresses = createMediaAddresses({ publicUrl: undefined, secret, now: () => new Date() });
  const counts = createOwnCounts({
    sql: world.pool,
    builds: createBuildResolver(world.pool, codeVersions),
    freshness: createFreshness(world.pool, new Set()),
    storeId: world.store.storeId,
  });
  const app = createWriteApi({
    routes: contentRoutes({
      log: world,
      objects: world.objects,
      addresses,
      takesVideos: () => Promise.resolve(true),
      counts,
    }),
    extras: [uploadHandler(world.objects)],
    authenticator: tokens,
    rateLimiter: noLimits(),
    idempotency: world.vault.idempotency(isWriteRefusal),
    storeId: world.store.storeId,
    log: world.log,
    health: {},
    checkAnswers: true,
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1' });
  const origin = `http://127.0.0.1:${String(server.port)}`;
  const request = async (account: AccountId, path: string, options: HttpRequest = {}) =>
    send(origin + path, { token: await tokens.forAccount(account, 'test', new Date()), ...options });
  const askUpload = (account: AccountId, bytes: Buffer, change: Record<string, unknown> = {}) =>
    request(account, '/v1/media/upload-url', {
      json: {
        content_type: 'image/jpeg',
        file_size: bytes.length,
        checksum_sha256: createHash('sha256').update(bytes).digest('hex'),
        ...change,
      },
    });
  return {
    ...world,
    origin,
    request,
    askUpload,
    upload: async (account, bytes, contentType = 'image/jpeg') => {
      const asked = await askUpload(account, bytes, { content_type: contentType });
      const sent = await send(uploadUrl(origin, asked), {
        method: 'PUT',
        body: new Uint8Array(bytes),
        headers: { 'content-type': textAt(asked, 'headers.content-type') },
      });
      if (sent.status !== 200) throw new Error(JSON.stringify(sent.body));
      return textAt(
        await request(account, `/v1/media/upload-url/${textAt(asked, 'upload_id')}/complete`, { method: 'POST' }),
        'media_id',
      );
    },
    settled: async (postId) => {
      await eventually('the post is settled', async () => (await world.postState(postId)).status !== 'processing');
      return (await world.postState(postId)).status;
    },
    close: async () => {
      await server.close();
      await reactor.stop();
      stop.abort();
      await work.ended;
      await workers.close();
      await projector.close();
      await world.close();
    },
  };
}

/** The upload address of an answer, on the API that the test talks to. */
export function uploadUrl(origin: string, asked: HttpAnswer): string {
  const { pathname, search } = new URL(textAt(asked, 'upload_url'));
  return origin + pathname + search;
}

async function startProjector({ pool, keys, store, log }: ContentWorld): Promise<Runner> {
  const runner = new Runner({
    pool,
    keys,
    store,
    log,
    limits: { events: 500, bytes: 1e7 },
    attempts: 1,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
  });
  for (const projection of postgresProjections) {
    const build = await ensureLiveBuild(pool, { projection, storeId: store.storeId });
    if (build !== undefined) runner.attach([{ build, projection, position: START_OF_LOG, events: 0 }]);
  }
  return runner;
}
