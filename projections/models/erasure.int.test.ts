import { describe, expect, it } from 'vitest';
import type { AccountId, CommentId, MediaId, PostId, StoryId } from '../../domain/ids.ts';
import { aPost, erased, registered, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact } from '../../testing/projection-spec.ts';
import { postgresProjections } from '../catalog.ts';

const [ann, ben, gone] = several.accounts(3) as [AccountId, AccountId, AccountId];
const [annsPost, gonePost, latePost] = several.posts(3) as [PostId, PostId, PostId];
const [said, late, answer] = several.comments(3) as [CommentId, CommentId, CommentId];
const [annsStory, goneStory, lateStory] = several.stories(3) as [StoryId, StoryId, StoryId];
const [file, lateFile] = several.media(2) as [MediaId, MediaId];

const upload = (mediaId: MediaId): Fact =>
  happened('UploadRequested', {
    mediaId,
    ownerId: gone,
    kind: 'image',
    contentType: 'image/jpeg',
    fileSize: 10,
    sha256: null,
    key: `uploads/${mediaId}`,
    expiresAt: '2030-01-01T00:00:00.000Z',
  });
const story = (storyId: StoryId, authorId: AccountId): Fact[] => [
  happened('StoryPosted', { storyId, authorId, mediaId: file, durationMs: 5_000, audience: 'all' }),
  happened('StoryPublished', {
    storyId,
    authorId,
    audience: 'all',
    publishedAt: '2026-01-02T00:00:00.000Z',
    expiresAt: '2026-01-03T00:00:00.000Z',
  }),
];
const comment = (commentId: CommentId, accountId: AccountId, parentCommentId: CommentId | null = null): Fact =>
  happened('CommentAdded', {
    commentId,
    postId: annsPost,
    postAuthorId: ann,
    accountId,
    parentCommentId,
    text: '#sea',
  });

const before: Fact[] = [
  ...[ann, ben, gone].map((id, i) => registered(id, `somebody${String(i)}`)),
  upload(file),
  aPost.created({ postId: annsPost, authorId: ann }, { caption: '#sea' }),
  aPost.published({ postId: annsPost, authorId: ann }),
  aPost.created({ postId: gonePost, authorId: gone }, { caption: '#sea' }),
  aPost.published({ postId: gonePost, authorId: gone }),
  ...story(annsStory, ann),
  ...story(goneStory, gone),
  comment(said, ben),
  comment(answer, ann, said),
  happened('AccountFollowed', { followerId: ben, followeeId: gone }),
  happened('AccountFollowed', { followerId: ben, followeeId: ann }),
];

// All that commands may still append that were in flight: the account's own, and those of others about it.
const slipped: Fact[] = [
  happened('PostLiked', { postId: annsPost, accountId: gone, authorId: ann }),
  happened('PostSaved', { postId: annsPost, accountId: gone }),
  happened('PostLiked', { postId: gonePost, accountId: ben, authorId: gone }),
  comment(late, gone),
  happened('CommentLiked', { commentId: said, postId: annsPost, accountId: gone }),
  happened('StoryViewed', { storyId: annsStory, authorId: ann, accountId: gone }),
  happened('StoryViewed', { storyId: goneStory, authorId: gone, accountId: ben }),
  aPost.created({ postId: latePost, authorId: gone }, { caption: '#sea' }),
  aPost.published({ postId: latePost, authorId: gone }),
  happened('CaptionEdited', { postId: gonePost, authorId: gone, caption: '#sea' }),
  happened('PostUnarchived', { postId: gonePost, authorId: gone }),
  ...story(lateStory, gone),
  upload(lateFile),
  happened('MediaDeleted', { mediaId: lateFile, ownerId: gone }),
  happened('AccountFollowed', { followerId: gone, followeeId: ann }),
  happened('FollowRequested', { followerId: gone, followeeId: ben }),
  happened('AccountFollowed', { followerId: ann, followeeId: gone }),
  happened('FollowRequested', { followerId: ann, followeeId: gone }),
  happened('AccountBlocked', { blockerId: gone, blockedId: ann }),
  happened('AccountBlocked', { blockerId: ben, blockedId: gone }),
  happened('AccountMuted', { muterId: ann, mutedId: gone }),
  happened('CloseFriendAdded', { accountId: ben, friendId: gone }),
  happened('AccountMadePrivate', { accountId: gone }),
];

describe('an event that follows the erasure of an account that it names', () => {
  for (const projection of postgresProjections) {
    it(`leaves no trace in the model of ${projection.name}`, async () => {
      const spec = await openProjectionSpec(projection);
      try {
        const without = await spec.project([...before, erased(gone)]);
        for (const cut of [[1], [before.length + 1, 3]])
          expect((await spec.project([...before, erased(gone), ...slipped], cut)).tables).toEqual(without.tables);
      } finally {
        await spec.close();
      }
    });
  }
});

describe('a comment whose text is the id of an erased account', () => {
  it('is a comment like any other', async () => {
    const spec = await openProjectionSpec(postgresProjections.find(({ name }) => name === 'comments')!);
    try {
      const { tables } = await spec.project([
        ...before,
        erased(gone),
        happened('CommentAdded', {
          commentId: late,
          postId: annsPost,
          postAuthorId: ann,
          accountId: ben,
          parentCommentId: null,
          text: gone,
        }),
      ]);
      expect(tables['comment']).toContainEqual(expect.objectContaining({ comment_id: late, text: gone }));
    } finally {
      await spec.close();
    }
  });
});
