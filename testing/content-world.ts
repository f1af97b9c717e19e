import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { v7 as uuidv7 } from 'uuid';
import { completeUpload } from '../commands/media/complete-upload.ts';
import { createPost, type CreatePostInput } from '../commands/posts/create-post.ts';
import { handle, loadState, type CommandContext, type Log } from '../commands/handle.ts';
import { requestUpload } from '../commands/media/request-upload.ts';
import { accept, type Decider } from '../domain/decider.ts';
import { eventDefinitions, type AnyEvent, type EventType } from '../domain/event-log.ts';
import type { AccountId, MediaId, PostId } from '../domain/ids.ts';
import { mediaDecider } from '../domain/media.ts';
import type { MediaState } from '../domain/media-state.ts';
import type { Actor } from '../domain/metadata.ts';
import { postDecider, type PostState } from '../domain/post.ts';
import { streamOf } from '../domain/streams.ts';
import { newId } from '../infra/ids.ts';
import { createFsObjectStore, type FsObjectStore } from '../infra/object-store/object-store-fs.ts';
import { openVault, type Vault } from '../infra/vault/vault.ts';
import { openProjectorWorld, type ProjectorWorld } from './projector-world.ts';

/** A log, a database, a vault and an object store of their own, for tests of commands and reactions. */
export type ContentWorld = Omit<ProjectorWorld, 'keys' | 'append'> &
  Log & {
    readonly vault: Vault;
    /** What wraps the keys of the vault. */
    readonly masterKey: string;
    readonly objects: FsObjectStore;
    /** The folder of the object store. */
    readonly objectsDir: string;
    /** A fresh command of an account, or of the system. */
    as(actor: Actor): CommandContext;
    /** A registered account. */
    account(privacy?: 'public' | 'private'): Promise<AccountId>;
    /** Appends events as they are, past every decision; personal data are sealed. */
    record(streamId: string, ...events: AnyEvent[]): Promise<void>;
    /** A medium whose bytes have arrived; a small photo by default. */
    uploaded(owner: AccountId, bytes?: Buffer, contentType?: string): Promise<MediaId>;
    /** A medium that is ready, without any bytes behind its sizes. */
    ready(owner: AccountId): Promise<MediaId>;
    /** A post; published when its media are ready. */
    post(authorId: AccountId, mediaIds: MediaId[], change?: Partial<CreatePostInput>): Promise<PostId>;
    /** A post that shows. */
    publishedPost(authorId: AccountId, change?: Partial<CreatePostInput>): Promise<PostId>;
    postState(postId: PostId): Promise<PostState>;
    mediaState(mediaId: MediaId): Promise<MediaState>;
    /** The types of all events in a stream. */
    types(streamId: string): Promise<string[]>;
  };

const anything: Decider<null, readonly AnyEvent[], AnyEvent, never> = {
  eventTypes: eventDefinitions.map(({ type }): EventType => type),
  initial: null,
  evolve: () => null,
  decide: (events) => accept(...events),
};

/** Opens a world; its object store takes signed uploads over HTTP on a port of its own. */
export async function openContentWorld(): Promise<ContentWorld> {
  const base = await openProjectorWorld();
  const masterKey = randomBytes(32).toString('base64');
  const vault = await openVault({ pool: base.pool, masterKey });
  const { objects, objectsDir, close: closeObjects } = await openObjects();
  const log: Log = { store: base.store, keys: vault.keys };
  const as = (actor: Actor): CommandContext => ({
    commandId: uuidv7(),
    actorId: actor,
    correlationId: 'test',
    causationId: 'test',
    now: new Date(),
  });
  const record = async (streamId: string, ...events: AnyEvent[]) => {
    await handle(log, as('system'), { decider: anything, streamId, command: events, owners: () => [] });
  };
  const world = { ...base, ...log, vault, masterKey, objects, objectsDir, as, record };
  return {
    ...world,
    account: async (privacy = 'public') => {
      const accountId = newId.account();
      await vault.keys.create(accountId);
      await record(streamOf.account(accountId), {
        type: 'AccountRegistered',
        data: { accountId, username: accountId.slice(-20), email: 'someone@example.org', fullName: 'Someone', privacy },
      });
      return accountId;
    },
    uploaded: (owner, bytes, contentType) => upload(world, owner, bytes, contentType),
    ready: (owner) => readyMedium(world, owner),
    post: (authorId, mediaIds, change) => post(world, authorId, mediaIds, change),
    publishedPost: async (authorId, change) => post(world, authorId, [await readyMedium(world, authorId)], change),
    postState: (postId) => loadState(log, postDecider, streamOf.post(postId)),
    mediaState: (mediaId) => loadState(log, mediaDecider, streamOf.media(mediaId)),
    types: async (streamId) => (await base.store.readStream(streamId)).map(({ type }) => type),
    close: async () => {
      await base.close();
      await closeObjects();
    },
  };
}

async function openObjects(): Promise<{ objects: FsObjectStore; objectsDir: string; close: () => Promise<void> }> {
  const objectsDir = await mkdtemp(join(tmpdir(), 'shutterlog-objects-'));
  const take = async (request: IncomingMessage) => {
    const url = new URL(request.url ?? '', 'http://localhost');
    return objects.acceptUpload({
      key: url.pathname.slice('/upload/'.length),
      search: url.search,
      contentType: request.headers['content-type'],
      body: request,
    });
  };
  const server = createServer((request, response) => {
    take(request).then(
      (outcome) => {
        response.writeHead(outcome.ok ? 200 : 400, { connection: 'close' }).end(JSON.stringify(outcome));
      },
      () => {
        response.destroy();
      },
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const objects = createFsObjectStore({
    dir: objectsDir,
    secret: randomBytes(32).toString('hex'),
    uploadBaseUrl: `${origin}/upload`,
    downloadBaseUrl: `${origin}/media`,
  });
  return {
    objects,
    objectsDir,
    close: async () => {
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await rm(objectsDir, { recursive: true, force: true });
    },
  };
}

type Basis = Pick<ContentWorld, 'store' | 'keys' | 'objects' | 'as' | 'record'>;

/** A small photo that no other call gives. */
export async function aPhoto(): Promise<Buffer> {
  // Reddish, so that a filter shows.
  const [red = 0, green = 0, blue = 0] = randomBytes(3).map(
    (byte, channel) => (channel === 0 ? 128 : 0) + Math.floor(byte / 4),
  );
  return sharp({ create: { width: 64, height: 48, channels: 3, background: { r: red, g: green, b: blue } } })
    .jpeg()
    .toBuffer();
}

async function upload(world: Basis, owner: AccountId, bytes?: Buffer, contentType = 'image/jpeg'): Promise<MediaId> {
  const file = bytes ?? (await aPhoto());
  const sha256 = createHash('sha256').update(file).digest('hex');
  const requested = await requestUpload(world, world.as(owner), {
    ownerId: owner,
    contentType,
    fileSize: file.length,
    sha256,
    ordinal: 0,
  });
  if (!requested.ok) throw new Error(requested.refusal.code);
  const { key, mediaId } = requested.upload;
  await world.objects.put(key, file, { contentType, checksumSha256: sha256 });
  const completed = await completeUpload(world, world.as(owner), { accountId: owner, mediaId });
  if (!completed.ok) throw new Error(completed.refusal.code);
  return mediaId;
}

async function readyMedium(world: Basis, ownerId: AccountId): Promise<MediaId> {
  const mediaId = newId.media();
  const file = {
    mediaId,
    ownerId,
    kind: 'image',
    contentType: 'image/jpeg',
    fileSize: 9,
    sha256: 'a'.repeat(64),
    key: `uploads/${ownerId}/${mediaId}`,
  } as const;
  await world.record(
    streamOf.media(mediaId),
    { type: 'UploadRequested', data: { ...file, expiresAt: new Date(Date.now() + 3_600_000).toISOString() } },
    { type: 'UploadCompleted', data: file },
    {
      type: 'MediaProcessed',
      data: {
        mediaId,
        ownerId,
        kind: 'image',
        width: 64,
        height: 48,
        durationMs: null,
        blurhash: 'L00000',
        variants: [],
        camera: null,
      },
    },
  );
  return mediaId;
}

async function post(
  world: Basis,
  authorId: AccountId,
  mediaIds: MediaId[],
  change: Partial<CreatePostInput> = {},
): Promise<PostId> {
  const created = await createPost(world, world.as(authorId), {
    authorId,
    caption: null,
    mediaIds,
    filter: null,
    altTexts: [],
    location: null,
    commentsDisabled: false,
    ...change,
  });
  if (!created.ok) throw new Error(created.refusal.code);
  return created.postId;
}
