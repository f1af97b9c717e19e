import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import { newId } from '../infra/ids.ts';
import { aPhoto, openContentWorld, type ContentWorld } from '../testing/content-world.ts';
import { addComment } from './comments/add-comment.ts';
import { archivePost, unarchivePost } from './posts/archive-post.ts';
import { completeUpload } from './media/complete-upload.ts';
import { createPost } from './posts/create-post.ts';
import { deleteComment } from './comments/delete-comment.ts';
import { deletePost } from './posts/delete-post.ts';
import { deleteStory } from './stories/delete-story.ts';
import { editCaption } from './posts/edit-caption.ts';
import { likeComment, unlikeComment } from './comments/like-comment.ts';
import { likePost, unlikePost } from './posts/like-post.ts';
import { postStory } from './stories/post-story.ts';
import { requestUpload } from './media/request-upload.ts';
import { savePost, unsavePost } from './posts/save-post.ts';
import { viewStory } from './stories/view-story.ts';

let world: ContentWorld;
let ann: AccountId;
let ben: AccountId;
let hidden: AccountId;

beforeAll(async () => {
  world = await openContentWorld();
  [ann, ben, hidden] = await Promise.all([world.account(), world.account(), world.account('private')]);
});
afterAll(() => world.close());

const codeOf = (answer: { ok: true } | { ok: false; refusal: { code: string } }) =>
  answer.ok ? 'ok' : answer.refusal.code;

describe('uploading', () => {
  const request = (
    ownerId: AccountId,
    bytes: Buffer,
    change: { contentType?: string; sha256?: string | null; fileSize?: number } = {},
  ) =>
    requestUpload(world, world.as(ownerId), {
      ownerId,
      contentType: 'image/jpeg',
      fileSize: bytes.length,
      sha256: sha256(bytes),
      ordinal: 0,
      ...change,
    });

  async function promised(ownerId: AccountId, bytes: Buffer, change: Parameters<typeof request>[2] = {}) {
    const requested = await request(ownerId, bytes, change);
    if (!requested.ok) throw new Error(requested.refusal.code);
    return requested.upload;
  }

  it('keeps a file that is as promised', async () => {
    const photo = await aPhoto();
    const { mediaId, key } = await promised(ann, photo);
    await world.objects.put(key, photo, { contentType: 'image/jpeg' });
    const completed = await completeUpload(world, world.as(ann), { accountId: ann, mediaId });
    expect(completed).toMatchObject({
      ok: true,
      state: { status: 'uploaded' },
      events: [{ data: { sha256: sha256(photo) } }],
    });
    expect(await world.types(streamOf.media(mediaId))).toEqual(['UploadRequested', 'UploadCompleted']);
  });

  it('goes by the content and not by the name of a type', async () => {
    const photo = await aPhoto();
    const { mediaId, key, contentType } = await promised(ann, photo, { contentType: 'image/JPG; name=x.jpg' });
    expect(contentType).toBe('image/jpeg');
    await world.objects.put(key, photo, { contentType });
    expect(codeOf(await completeUpload(world, world.as(ann), { accountId: ann, mediaId }))).toBe('ok');
  });

  it.each([
    ['a page that says it is a photo', Buffer.from('<html>not a photo</html>'), {}, 'upload_type_mismatch'],
    ['fewer bytes than declared', undefined, { fileSize: 99_999 }, 'upload_size_mismatch'],
    ['other bytes than declared', undefined, { sha256: 'b'.repeat(64) }, 'upload_checksum_mismatch'],
    ['a photo of another type', undefined, { contentType: 'image/png' }, 'upload_type_mismatch'],
  ])('refuses %s and keeps nothing of it', async (_what, bytes, change, code) => {
    const file = bytes ?? (await aPhoto());
    const { mediaId, key } = await promised(ann, file, change);
    await world.objects.put(key, file, { contentType: 'image/jpeg' });
    expect(codeOf(await completeUpload(world, world.as(ann), { accountId: ann, mediaId }))).toBe(code);
    expect(await world.objects.head(key)).toBeNull();
    expect(await world.types(streamOf.media(mediaId))).toEqual(['UploadRequested']);
  });

  it('refuses to complete what has not arrived', async () => {
    const { mediaId } = await promised(ann, await aPhoto());
    expect(codeOf(await completeUpload(world, world.as(ann), { accountId: ann, mediaId }))).toBe('upload_missing');
  });

  it('does not let another account complete it, and leaves the file to its owner', async () => {
    const photo = await aPhoto();
    const { mediaId, key } = await promised(ann, photo);
    await world.objects.put(key, photo, { contentType: 'image/jpeg' });
    expect(codeOf(await completeUpload(world, world.as(ben), { accountId: ben, mediaId }))).toBe('upload_not_found');
    expect(codeOf(await completeUpload(world, world.as(ann), { accountId: ann, mediaId }))).toBe('ok');
  });

  it('refuses types that nobody can show, and files that are too large', async () => {
    const photo = await aPhoto();
    expect(codeOf(await request(ann, photo, { contentType: 'image/svg+xml' }))).toBe('media_type_unsupported');
    expect(codeOf(await request(ann, photo, { fileSize: 30 * 1024 * 1024 + 1 }))).toBe('media_too_large');
  });

  it('gives a repeated request the same upload', async () => {
    const photo = await aPhoto();
    const context = world.as(ann);
    const ask = () =>
      requestUpload(world, context, {
        ownerId: ann,
        contentType: 'image/jpeg',
        fileSize: photo.length,
        sha256: null,
        ordinal: 0,
      });
    expect(await ask()).toEqual(await ask());
  });
});

describe('posting', () => {
  const post = (authorId: AccountId, mediaIds: Awaited<ReturnType<ContentWorld['ready']>>[]) =>
    createPost(world, world.as(authorId), {
      authorId,
      caption: 'hello',
      mediaIds,
      filter: null,
      altTexts: [],
      location: null,
      commentsDisabled: false,
    });

  it('waits for media that are not ready', async () => {
    const created = await post(ann, [await world.ready(ann), await world.uploaded(ann)]);
    expect(created).toMatchObject({ ok: true, state: { status: 'processing' } });
  });

  it('shows at once when they are, and says so with the write', async () => {
    const created = await post(ann, [await world.ready(ann)]);
    expect(created).toMatchObject({ ok: true, state: { status: 'published' }, written: { owners: [ann] } });
  });

  it('seals the caption', async () => {
    const created = await post(ann, [await world.ready(ann)]);
    const [stored] = created.ok ? await world.store.readStream(streamOf.post(created.postId)) : [];
    expect(JSON.stringify(stored?.data)).not.toContain('hello');
    expect(created.ok && (await world.postState(created.postId))).toMatchObject({ caption: 'hello' });
  });

  it("does not take another account's medium", async () => {
    expect(codeOf(await post(ben, [await world.ready(ann)]))).toBe('media_not_found');
    expect(codeOf(await post(ben, [await world.uploaded(ann)]))).toBe('media_not_found');
  });
});

describe("changing one's post", () => {
  it('is for the author', async () => {
    const postId = await world.publishedPost(ann);
    expect(codeOf(await editCaption(world, world.as(ann), { accountId: ann, postId, caption: 'new' }))).toBe('ok');
    expect(codeOf(await archivePost(world, world.as(ann), { accountId: ann, postId }))).toBe('ok');
    expect(codeOf(await unarchivePost(world, world.as(ann), { accountId: ann, postId }))).toBe('ok');
    expect(codeOf(await deletePost(world, world.as(ann), { accountId: ann, postId }))).toBe('ok');
    expect(await world.types(streamOf.post(postId))).toEqual([
      'PostCreated',
      'PostPublished',
      'CaptionEdited',
      'PostArchived',
      'PostUnarchived',
      'PostDeleted',
    ]);
  });

  const attempts: [string, (by: AccountId, postId: PostId) => Promise<Parameters<typeof codeOf>[0]>][] = [
    ['edit', (accountId, postId) => editCaption(world, world.as(accountId), { accountId, postId, caption: 'mine' })],
    ['archive', (accountId, postId) => archivePost(world, world.as(accountId), { accountId, postId })],
    ['unarchive', (accountId, postId) => unarchivePost(world, world.as(accountId), { accountId, postId })],
    ['delete', (accountId, postId) => deletePost(world, world.as(accountId), { accountId, postId })],
  ];
  it.each(attempts)('is for nobody else: %s', async (_what, attempt) => {
    const seen = await world.publishedPost(ann);
    const unseen = await world.publishedPost(hidden);
    const unfinished = await world.post(ann, [await world.uploaded(ann)]);
    expect(codeOf(await attempt(ben, seen))).toBe('post_not_yours');
    expect(codeOf(await attempt(ben, unseen))).toBe('post_not_found');
    expect(codeOf(await attempt(ben, unfinished))).toBe('post_not_found');
    expect(codeOf(await attempt(ben, newId.post()))).toBe('post_not_found');
    expect(await world.types(streamOf.post(seen))).toEqual(['PostCreated', 'PostPublished']);
  });
});

describe('liking and saving', () => {
  const acts = [
    ['like', likePost, 'like'],
    ['save', savePost, 'save'],
  ] as const;
  it.each(acts)('%s: for a post that one may see, once', async (_what, act, kind) => {
    const postId = await world.publishedPost(ann);
    const first = await act(world, world.as(ben), { accountId: ben, postId });
    if (!first.ok) throw new Error(first.refusal.code);
    expect(await act(world, world.as(ben), { accountId: ben, postId })).toMatchObject({
      ok: true,
      events: [],
      written: first.written,
    });
    expect(await world.types(streamOf[kind](postId, ben))).toHaveLength(1);
  });

  it.each(acts)('%s: not for a post that one may not see', async (_what, act, kind) => {
    const unseen = await world.publishedPost(hidden);
    const unfinished = await world.post(ann, [await world.uploaded(ann)]);
    const gone = await world.publishedPost(ann);
    await deletePost(world, world.as(ann), { accountId: ann, postId: gone });
    for (const postId of [unseen, unfinished, gone, newId.post()]) {
      expect(codeOf(await act(world, world.as(ben), { accountId: ben, postId }))).toBe('post_not_found');
      expect(await world.types(streamOf[kind](postId, ben))).toEqual([]);
    }
  });

  it('can be taken back', async () => {
    const postId = await world.publishedPost(ann);
    await likePost(world, world.as(ben), { accountId: ben, postId });
    await savePost(world, world.as(ben), { accountId: ben, postId });
    expect(await unlikePost(world, world.as(ben), { accountId: ben, postId })).toMatchObject({
      ok: true,
      written: { owners: [postId] },
    });
    expect(codeOf(await unsavePost(world, world.as(ben), { accountId: ben, postId }))).toBe('ok');
  });

  it('appends nothing twice when a command is repeated after an unknown outcome', async () => {
    const postId = await world.publishedPost(ann);
    const context = world.as(ben);
    const first = await likePost(world, context, { accountId: ben, postId });
    await deletePost(world, world.as(ann), { accountId: ann, postId });
    expect(await likePost(world, context, { accountId: ben, postId })).toMatchObject({
      ok: true,
      written: first.ok ? first.written : {},
    });
    expect(await world.types(streamOf.like(postId, ben))).toEqual(['PostLiked']);
  });

  it('ends with a block', async () => {
    const postId = await world.publishedPost(ann);
    const cat = await world.account();
    await world.record(streamOf.block(ann, cat), { type: 'AccountBlocked', data: { blockerId: ann, blockedId: cat } });
    expect(codeOf(await likePost(world, world.as(cat), { accountId: cat, postId }))).toBe('post_not_found');
    expect(
      codeOf(await addComment(world, world.as(cat), { accountId: cat, postId, text: 'hi', parentCommentId: null })),
    ).toBe('post_not_found');
  });
});

describe('commenting', () => {
  async function comment(
    accountId: AccountId,
    postId: PostId,
    parentCommentId: Parameters<typeof addComment>[2]['parentCommentId'] = null,
  ) {
    const added = await addComment(world, world.as(accountId), { accountId, postId, text: 'nice', parentCommentId });
    if (!added.ok) throw new Error(added.refusal.code);
    return added.commentId;
  }

  it('is deleted by its writer or by the author of the post, and by nobody else', async () => {
    const cat = await world.account();
    const postId = await world.publishedPost(ann);
    const [first, second] = [await comment(ben, postId), await comment(ben, postId)];
    expect(codeOf(await deleteComment(world, world.as(cat), { accountId: cat, commentId: first }))).toBe(
      'comment_not_yours',
    );
    expect(codeOf(await deleteComment(world, world.as(ben), { accountId: ben, commentId: first }))).toBe('ok');
    expect(codeOf(await deleteComment(world, world.as(ann), { accountId: ann, commentId: second }))).toBe('ok');
    expect(codeOf(await deleteComment(world, world.as(ann), { accountId: ann, commentId: second }))).toBe(
      'comment_not_found',
    );
  });

  it('under a hidden post is not there for strangers', async () => {
    const commentId = await comment(hidden, await world.publishedPost(hidden));
    expect(codeOf(await deleteComment(world, world.as(ben), { accountId: ben, commentId }))).toBe('comment_not_found');
    expect(codeOf(await likeComment(world, world.as(ben), { accountId: ben, commentId }))).toBe('comment_not_found');
    expect(codeOf(await unlikeComment(world, world.as(ben), { accountId: ben, commentId }))).toBe('comment_not_found');
  });

  it('can be answered and liked', async () => {
    const postId = await world.publishedPost(ann);
    const commentId = await comment(ben, postId);
    const reply = await comment(ann, postId, commentId);
    expect(
      codeOf(
        await addComment(world, world.as(ben), { accountId: ben, postId, text: 'deeper', parentCommentId: reply }),
      ),
    ).toBe('parent_is_a_reply');
    expect(await likeComment(world, world.as(ann), { accountId: ann, commentId })).toMatchObject({
      ok: true,
      written: { owners: [postId] },
    });
  });

  it('of somebody in a block with the reader cannot be answered or liked', async () => {
    const cat = await world.account();
    const postId = await world.publishedPost(ann);
    const commentId = await comment(ben, postId);
    await world.record(streamOf.block(ben, cat), { type: 'AccountBlocked', data: { blockerId: ben, blockedId: cat } });
    expect(
      codeOf(
        await addComment(world, world.as(cat), { accountId: cat, postId, text: 'hey', parentCommentId: commentId }),
      ),
    ).toBe('parent_not_found');
    expect(codeOf(await likeComment(world, world.as(cat), { accountId: cat, commentId }))).toBe('comment_not_found');
  });

  it('is refused where the author takes none', async () => {
    const postId = await world.publishedPost(ann, { commentsDisabled: true });
    expect(
      codeOf(await addComment(world, world.as(ben), { accountId: ben, postId, text: 'hi', parentCommentId: null })),
    ).toBe('comments_disabled');
  });
});

describe('stories', () => {
  async function story(authorId: AccountId, audience: 'all' | 'close_friends' = 'all') {
    const posted = await postStory(world, world.as(authorId), {
      authorId,
      mediaId: await world.ready(authorId),
      durationMs: null,
      audience,
    });
    if (!posted.ok) throw new Error(posted.refusal.code);
    return posted.storyId;
  }
  const view = (accountId: AccountId, storyId: Awaited<ReturnType<typeof story>>, now = new Date()) =>
    viewStory(world, { ...world.as(accountId), now }, { accountId, storyId });

  it('are seen once by each viewer, and not counted for their author', async () => {
    const storyId = await story(ann);
    const first = await view(ben, storyId);
    if (!first.ok) throw new Error(first.refusal.code);
    expect(first.written?.owners).toEqual([ben, ann]);
    expect(await view(ben, storyId)).toMatchObject({ ok: true, events: [], written: first.written });
    expect(await view(ann, storyId)).toMatchObject({ ok: true, written: undefined });
  });

  it('are gone for everybody after 24 hours', async () => {
    const storyId = await story(ann);
    expect(codeOf(await view(ben, storyId, new Date(Date.now() + 24 * 3_600_000)))).toBe('story_not_found');
  });

  it('for close friends are not there for others', async () => {
    const cat = await world.account();
    const storyId = await story(ann, 'close_friends');
    await world.record(streamOf.closeFriend(ann, cat), {
      type: 'CloseFriendAdded',
      data: { accountId: ann, friendId: cat },
    });
    expect(codeOf(await view(cat, storyId))).toBe('ok');
    expect(codeOf(await view(ben, storyId))).toBe('story_not_found');
    expect(codeOf(await deleteStory(world, world.as(ben), { accountId: ben, storyId }))).toBe('story_not_found');
  });

  it('of a private account are not there for strangers', async () => {
    expect(codeOf(await view(ben, await story(hidden)))).toBe('story_not_found');
  });

  it('are taken down by their author and by nobody else', async () => {
    const storyId = await story(ann);
    expect(codeOf(await deleteStory(world, world.as(ben), { accountId: ben, storyId }))).toBe('story_not_yours');
    expect(codeOf(await deleteStory(world, world.as(ann), { accountId: ann, storyId }))).toBe('ok');
    expect(codeOf(await view(ben, storyId))).toBe('story_not_found');
  });

  it("do not take another account's medium", async () => {
    const posted = await postStory(world, world.as(ben), {
      authorId: ben,
      mediaId: await world.ready(ann),
      durationMs: null,
      audience: 'all',
    });
    expect(codeOf(posted)).toBe('media_not_found');
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
