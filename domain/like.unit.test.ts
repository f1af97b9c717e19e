import { describe, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import { commentLikeDecider, type CommentLikeEvent } from './comment-like.ts';
import { likeDecider, type LikeCommand, type LikeEvent } from './like.ts';
import { saveDecider, type SaveEvent } from './save.ts';

const postId = newId.post();
const accountId = newId.account();
const authorId = newId.account();
const post = { visible: true, authorId, commentsDisabled: false } as const;
const hidden = { visible: false } as const;

describe('liking a post', () => {
  const given = specify(likeDecider);
  const liked: LikeEvent = { type: 'PostLiked', data: { postId, accountId, authorId } };
  const unliked: LikeEvent = { type: 'PostUnliked', data: { postId, accountId, authorId } };
  const like: LikeCommand = { type: 'LikePost', postId, accountId, post };
  const unlike: LikeCommand = { type: 'UnlikePost', postId, accountId, post };

  it('is recorded', () => given().when(like).then(liked));
  it('counts once', () => given(liked).when(like).then());
  it('can be taken back', () => given(liked).when(unlike).then(unliked));
  it('is taken back once', () => given(liked, unliked).when(unlike).then());
  it('can be done again', () => given(liked, unliked).when(like).then(liked));
  it.each([like, unlike])('is refused for a post that the account may not see ($type)', (command) =>
    given(liked)
      .when({ ...command, post: hidden })
      .thenRefused('post_not_found'),
  );
  it('obeys the laws of deciders', () =>
    expectLaws(likeDecider, [like, like, unlike, { ...like, post: hidden }, like]));
});

describe('saving a post', () => {
  const given = specify(saveDecider);
  const saved: SaveEvent = { type: 'PostSaved', data: { postId, accountId } };
  const unsaved: SaveEvent = { type: 'PostUnsaved', data: { postId, accountId } };
  const save = { type: 'SavePost', postId, accountId, post } as const;
  const unsave = { type: 'UnsavePost', postId, accountId, post } as const;

  it('is recorded', () => given().when(save).then(saved));
  it('counts once', () => given(saved).when(save).then());
  it('can be taken back', () => given(saved).when(unsave).then(unsaved));
  it('changes nothing when it was not saved', () => given().when(unsave).then());
  it('is refused for a post that the account may not see', () =>
    given()
      .when({ ...save, post: hidden })
      .thenRefused('post_not_found'));
  it('is taken back although the post is hidden by now', () =>
    given(saved)
      .when({ ...unsave, post: hidden })
      .then(unsaved));
  it('does not tell a hidden post from a missing one', () =>
    given()
      .when({ ...unsave, post: hidden })
      .thenRefused('post_not_found'));
  it('obeys the laws of deciders', () =>
    expectLaws(saveDecider, [save, save, unsave, { ...save, post: hidden }, save]));
});

describe('liking a comment', () => {
  const given = specify(commentLikeDecider);
  const commentId = newId.comment();
  const liked: CommentLikeEvent = { type: 'CommentLiked', data: { commentId, postId, accountId } };
  const unliked: CommentLikeEvent = { type: 'CommentUnliked', data: { commentId, postId, accountId } };
  const like = { type: 'LikeComment', commentId, accountId, comment: { visible: true, postId } } as const;
  const unlike = { ...like, type: 'UnlikeComment' } as const;

  it('is recorded', () => given().when(like).then(liked));
  it('counts once', () => given(liked).when(like).then());
  it('can be taken back', () => given(liked).when(unlike).then(unliked));
  it('is taken back once', () => given().when(unlike).then());
  it.each([like, unlike])('is refused for a comment that the account may not see ($type)', (command) =>
    given(liked)
      .when({ ...command, comment: hidden })
      .thenRefused('comment_not_found'),
  );
  it('obeys the laws of deciders', () => expectLaws(commentLikeDecider, [like, like, unlike, like]));
});
