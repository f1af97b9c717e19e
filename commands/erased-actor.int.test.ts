import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId, PostId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import type { EventStore } from '../infra/event-store/event-store.ts';
import { aPhoto, openContentWorld, type ContentWorld } from '../testing/content-world.ts';
import { startReactor } from '../testing/reactor.ts';
import { addCloseFriend } from './relations/add-close-friend.ts';
import { addComment } from './comments/add-comment.ts';
import { archivePost } from './posts/archive-post.ts';
import { blockAccount } from './relations/block-account.ts';
import { completeUpload } from './media/complete-upload.ts';
import { createPost, type CreatePostInput } from './posts/create-post.ts';
import { deletePost } from './posts/delete-post.ts';
import { editCaption } from './posts/edit-caption.ts';
import { followAccount } from './relations/follow-account.ts';
import type { CommandContext, Log } from './handle.ts';
import { likePost, unlikePost } from './posts/like-post.ts';
import { muteAccount } from './relations/mute-account.ts';
import { postStory } from './stories/post-story.ts';
import { deleteMedia } from './reactions/media/delete-media.ts';
import { makeMedia } from './reactions/media/make-media.ts';
import { requestUpload } from './media/request-upload.ts';
import { savePost } from './posts/save-post.ts';

let world: ContentWorld;
let author: AccountId;
let annsPost: PostId;
beforeAll(async () => {
  world = await openContentWorld();
  author = await world.account();
  annsPost = await world.publishedPost(author);
});
afterAll(() => world.close());

const erase = (accountId: AccountId) =>
  world.record(streamOf.account(accountId), { type: 'AccountErased', data: { accountId } });
const composed = (authorId: AccountId, mediaIds: MediaId[], filter: 'juno' | null = null): CreatePostInput => ({
  authorId,
  caption: null,
  mediaIds,
  filter,
  altTexts: [],
  location: null,
  commentsDisabled: false,
});
const asked = (ownerId: AccountId) => ({ ownerId, contentType: 'image/jpeg', fileSize: 10, sha256: null, ordinal: 0 });

/** What an account has before it commands. */
async function somebody() {
  const id = await world.account();
  return { id, ready: await world.ready(id), ownPost: await world.publishedPost(id), upload: await world.uploaded(id) };
}
type Somebody = Awaited<ReturnType<typeof somebody>>;
type Command = (
  log: Log,
  context: CommandContext,
  by: Somebody,
) => Promise<{ ok: boolean; refusal?: { code: string } }>;

/** Finds the author by any name. */
const finder = (log: Log) => ({
  ...log,
  names: world.vault.names,
  holders: { get: () => author, set: () => undefined },
});
const named = () => author.slice(-20);

const commands: Readonly<Record<string, Command>> = {
  'a like': (log, as, { id }) => likePost(log, as, { accountId: id, postId: annsPost }),
  'taking back a like': (log, as, { id }) => unlikePost(log, as, { accountId: id, postId: annsPost }),
  'saving a post': (log, as, { id }) => savePost(log, as, { accountId: id, postId: annsPost }),
  'a comment': (log, as, { id }) =>
    addComment(log, as, { accountId: id, postId: annsPost, text: 'late', parentCommentId: null }),
  'a post': (log, as, { id, ready }) => createPost(log, as, composed(id, [ready])),
  'a post with a filter': (log, as, { id, ready }) => createPost(log, as, composed(id, [ready], 'juno')),
  'a story': (log, as, { id, ready }) =>
    postStory(log, as, { authorId: id, mediaId: ready, durationMs: null, audience: 'all' }),
  'an upload': (log, as, { id }) => requestUpload(log, as, asked(id)),
  'completing an upload again': (log, as, { id, upload }) =>
    completeUpload({ ...log, objects: world.objects }, as, { accountId: id, mediaId: upload }),
  'a new caption': (log, as, { id, ownPost }) =>
    editCaption(log, as, { accountId: id, postId: ownPost, caption: 'late' }),
  'archiving a post': (log, as, { id, ownPost }) => archivePost(log, as, { accountId: id, postId: ownPost }),
  'deleting a post': (log, as, { id, ownPost }) => deletePost(log, as, { accountId: id, postId: ownPost }),
  'a block': (log, as, { id }) => blockAccount(finder(log), as, { accountId: id, username: named() }),
  'a follow': (log, as, { id }) => followAccount(finder(log), as, { accountId: id, username: named() }),
  'muting somebody': (log, as, { id }) => muteAccount(finder(log), as, { accountId: id, username: named() }),
  'a close friend': (log, as, { id }) => addCloseFriend(finder(log), as, { accountId: id, username: named() }),
};

describe('an erased account', () => {
  for (const [what, command] of Object.entries(commands)) {
    it(`is refused ${what}, which appends nothing, and another account is not`, async () => {
      const [gone, other] = [await somebody(), await somebody()];
      await erase(gone.id);
      const head = await world.store.head();
      const refused = await command(world, world.as(gone.id), gone);
      expect(refused).toMatchObject({ ok: false });
      // What is decided on the account itself finds it gone, as everybody else does.
      expect(['actor_erased', 'account_not_found', 'post_not_found']).toContain(refused.refusal?.code);
      expect(await world.store.head()).toBe(head);
      expect(await command(world, world.as(other.id), other)).toMatchObject({ ok: true });
    });
  }
});

/** A store on which an append to some streams waits until the account is erased: the command has looked by then. */
function erasedBeforeAppend(accountId: AccountId, streams: RegExp): Log {
  const append: EventStore['append'] = async (streamId, ...rest) => {
    if (streams.test(streamId)) await erase(accountId);
    return world.store.append(streamId, ...rest);
  };
  return { keys: world.keys, store: { ...world.store, append } };
}

describe('an upload that an erasure overtakes', () => {
  const passed = async () => 'passed' as const;
  const deleting = () => deleteMedia({ ...world, cdn: { purge: () => Promise.resolve() }, passed });

  it('is deleted although its event follows the erasure, and its job ends well', async () => {
    const [gone, other] = [await world.account(), await world.account()];
    const requested = await requestUpload(erasedBeforeAppend(gone, /^media-/), world.as(gone), asked(gone));
    if (!requested.ok) throw new Error(requested.refusal.code);
    const { mediaId } = requested.upload;
    expect(await world.types(streamOf.media(mediaId))).toEqual(['UploadRequested']);
    // As one that was further: its bytes are there, and a worker has it in line.
    await world.record(streamOf.media(mediaId), {
      type: 'UploadCompleted',
      data: {
        mediaId,
        ownerId: gone,
        kind: 'image',
        contentType: 'image/jpeg',
        fileSize: 10,
        sha256: 'a'.repeat(64),
        key: requested.upload.key,
      },
    });
    await world.vault.keys.empty(gone, new Date());
    await world.objects.put(requested.upload.key, await aPhoto(), { contentType: 'image/jpeg' });
    const workers = { process: () => Promise.reject(new Error('nobody needs the picture')) };
    expect(await makeMedia({ ...world, workers }, world.as('system'), { mediaId })).toBe('nothing');

    const reactor = await startReactor(world, [deleting()]);
    await reactor.caughtUp();
    await reactor.stop();
    expect((await world.mediaState(mediaId)).status).toBe('deleted');
    expect((await world.mediaState(await world.ready(other))).status).toBe('processed');
  });

  it('of a picture with a filter is deleted with what is made of it', async () => {
    const gone = await world.account();
    const ready = await world.ready(gone);
    const created = await createPost(
      erasedBeforeAppend(gone, /^post-/),
      world.as(gone),
      composed(gone, [ready], 'juno'),
    );
    if (!created.ok) throw new Error(created.refusal.code);
    const post = await world.postState(created.postId);
    const shown = post.status === 'absent' ? [] : post.mediaIds;
    const reactor = await startReactor(world, [deleting()]);
    for (let link = 0; link < 3; link += 1) await reactor.caughtUp();
    await reactor.stop();
    expect(shown).toHaveLength(1);
    for (const mediaId of [ready, ...shown]) expect((await world.mediaState(mediaId)).status).toBe('deleted');
  });
});
