import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccountId, MediaId, PostId, StoryId } from '../domain/ids.ts';
import { START_OF_LOG, type Position } from '../domain/position.ts';
import { encodeToken } from '../infra/event-store/consistency-token.ts';
import type { Route } from '../infra/http/route.ts';
import { listen } from '../infra/http/server.ts';
import { newId } from '../infra/ids.ts';
import { createTokens } from '../infra/auth/jwt.ts';
import { createMediaAddresses } from '../infra/object-store/media-addresses.ts';
import { createFsObjectStore, type FsObjectStore } from '../infra/object-store/object-store-fs.ts';
import { noLimits } from '../infra/redis/rate-limit.ts';
import { announceChanges } from '../projections/runner/invalidation.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions, lanedModels, postgresProjections } from '../projections/catalog.ts';
import { createFreshness } from '../projections/builds/consistency.ts';
import { Runner } from '../projections/runner/runner.ts';
import { Supervisor } from '../projections/runner/supervisor.ts';
import { createReadApi } from '../read-api/app.ts';
import { createPresenter, type Presenter } from '../read-api/presentation.ts';
import type { ReadRefusal } from '../read-api/problem.ts';
import { createReader, type Reader } from '../read-api/reading.ts';
import { aPost, registered } from './facts.ts';
import { send, type HttpAnswer } from './http.ts';
import { happened, type Fact } from './projection-spec.ts';
import { openProjectorWorld, type ProjectorWorld, type Through } from './projector-world.ts';

type PostOptions = {
  caption?: string;
  location?: { name: string; lat: number; lng: number };
  publishedAt?: string;
  mediaIds?: MediaId[];
};

/** The read API over a log, a projector and a database of its own; what is in the log is told as facts. */
export type ReadWorld = ProjectorWorld & {
  readonly url: string;
  readonly objects: FsObjectStore;
  /** The formats of pictures that were asked for and are not there. */
  readonly wishes: readonly string[];
  /** Appends facts; every later `get` waits until the models have passed them. */
  tell(...facts: Fact[]): Promise<Position>;
  /** Reads as an account; the answer is checked against the schema that the route declares. */
  get(path: string, viewer: AccountId, headers?: Record<string, string>): Promise<HttpAnswer>;
  person(username: string, options?: { fullName?: string; privacy?: 'public' | 'private' }): Promise<AccountId>;
  /** A ready medium; its small size has the key `media/<id>/small.webp`. */
  medium(owner: AccountId): Promise<MediaId>;
  /** A published post with one medium. */
  post(authorId: AccountId, options?: PostOptions): Promise<PostId>;
  story(authorId: AccountId, options?: { audience?: 'all' | 'close_friends'; publishedAt?: Date }): Promise<StoryId>;
  follow(followerId: AccountId, followeeId: AccountId): Promise<void>;
};

const SECRET = 'a secret of the tests, long enough for anybody';

/** Routes that need more than PostgreSQL, and what they need, over the same log and database. */
export type ExtraRoutes = (
  world: ProjectorWorld,
  api: { reader: Reader; present: Presenter },
) => Promise<{ routes: readonly Route<ReadRefusal>[]; close: () => Promise<void> }>;

/** Opens the world; close it when the tests are done. */
export async function openReadWorld(
  withExtra?: ExtraRoutes,
  options?: { through?: Through | undefined },
): Promise<ReadWorld> {
  const base = await openProjectorWorld(options);
  const projecting = await startProjecting(base);
  const directory = await mkdtemp(join(tmpdir(), 'shutterlog-objects-'));
  const objects = createFsObjectStore({ dir: directory, secret: SECRET, uploadBaseUrl: '', downloadBaseUrl: '' });
  const tokens = createTokens(SECRET);
  const reader = createReader({
    sql: base.pool,
    builds: createBuildResolver(base.pool, codeVersions),
    freshness: createFreshness(base.pool, lanedModels),
  });
  const addresses = createMediaAddresses({ publicUrl: undefined, secret: SECRET, now: () => new Date() });
  const extra = await withExtra?.(base, { reader, present: createPresenter(addresses) });
  const wishes: string[] = [];
  const app = createReadApi({
    reader,
    objects,
    addresses,
    onWish: (wish) => {
      wishes.push(wish);
    },
    authenticator: tokens,
    rateLimiter: noLimits(),
    log: base.log,
    health: {},
    feedRoutes: extra?.routes ?? [],
    checkAnswers: true,
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1' });
  const url = `http://127.0.0.1:${String(server.port)}`;
  let told: Position = START_OF_LOG;
  const tell = async (...facts: Fact[]) => {
    told = await base.append(...facts);
    return told;
  };
  return {
    ...base,
    url,
    objects,
    wishes,
    tell,
    ...makers(tell),
    get: async (path, viewer, headers) =>
      send(url + path, {
        token: await tokens.forAccount(viewer, 'test', new Date()),
        headers: {
          'Consistency-Token': encodeToken({ storeId: base.store.storeId, position: told, owners: 'all' }),
          ...headers,
        },
      }),
    close: async () => {
      await server.close();
      await extra?.close();
      await projecting.close();
      await objects.close();
      await base.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Feeds all PostgreSQL models of a database from a log, from where they stand. */
export async function startProjecting({
  pool,
  databaseUrl,
  keys,
  store,
  log,
}: Pick<ProjectorWorld, 'pool' | 'databaseUrl' | 'keys' | 'store' | 'log'>): Promise<Supervisor> {
  const runner = new Runner({
    pool,
    keys,
    store,
    log,
    limits: { events: 500, bytes: 1e7 },
    attempts: 1,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
    alongside: announceChanges,
  });
  const supervisor = new Supervisor({ pool, databaseUrl, store, log, projections: postgresProjections, runner });
  await supervisor.start();
  return supervisor;
}

type Makers = Pick<ReadWorld, 'person' | 'medium' | 'post' | 'story' | 'follow'>;

function makers(tell: ReadWorld['tell']): Makers {
  const medium = async (ownerId: AccountId) => {
    const mediaId = newId.media();
    await tell(...mediumFacts(mediaId, ownerId));
    return mediaId;
  };
  return {
    medium,
    person: async (username, options) => {
      const accountId = newId.account();
      await tell(registered(accountId, username, options));
      return accountId;
    },
    post: async (authorId, { publishedAt, mediaIds, ...composed } = {}) => {
      const post = { postId: newId.post(), authorId };
      await tell(
        aPost.created(post, { mediaIds: mediaIds ?? [await medium(authorId)], ...composed }),
        aPost.published(post, publishedAt ?? new Date().toISOString()),
      );
      return post.postId;
    },
    story: async (authorId, { audience = 'all', publishedAt = new Date() } = {}) => {
      const storyId = newId.story();
      const expiresAt = new Date(publishedAt.getTime() + 86_400_000);
      await tell(
        happened('StoryPosted', { storyId, authorId, mediaId: await medium(authorId), durationMs: 5_000, audience }),
        happened('StoryPublished', {
          storyId,
          authorId,
          audience,
          publishedAt: publishedAt.toISOString(),
          expiresAt: expiresAt.toISOString(),
        }),
      );
      return storyId;
    },
    follow: async (followerId, followeeId) => {
      await tell(happened('AccountFollowed', { followerId, followeeId }));
    },
  };
}

function mediumFacts(mediaId: MediaId, ownerId: AccountId): Fact[] {
  const file = { mediaId, ownerId, kind: 'image' as const };
  const sizes = [
    ['thumbnail', 150, 150],
    ['small', 320, 240],
    ['medium', 640, 480],
    ['large', 1080, 810],
  ] as const;
  return [
    happened('UploadRequested', {
      ...file,
      contentType: 'image/jpeg',
      fileSize: 10,
      sha256: null,
      key: `uploads/${mediaId}`,
      expiresAt: '2030-01-01T00:00:00.000Z',
    }),
    happened('MediaProcessed', {
      ...file,
      width: 1080,
      height: 810,
      durationMs: null,
      blurhash: 'LEHV6nWB2yk8pyo0adR*',
      camera: null,
      variants: sizes.map(([name, width, height]) => ({
        name,
        key: `media/${mediaId}/${name}.webp`,
        contentType: 'image/webp',
        width,
        height,
        bytes: 10,
        sha256: 'a'.repeat(64),
      })),
    }),
  ];
}
