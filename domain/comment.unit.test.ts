import { describe, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import { commentDecider, type CommentCommand, type CommentEvent, type CommentState } from './comment.ts';

const given = specify(commentDecider);
const commentId = newId.comment();
const postId = newId.post();
const postAuthorId = newId.account();
const accountId = newId.account();
const other = newId.account();
const post = { visible: true, authorId: postAuthorId, commentsDisabled: false } as const;
const parent: CommentState = {
  status: 'posted',
  commentId: newId.comment(),
  postId,
  postAuthorId,
  accountId: other,
  parentCommentId: null,
};

const add: Extract<CommentCommand, { type: 'AddComment' }> = {
  type: 'AddComment',
  commentId,
  postId,
  accountId,
  text: 'nice',
  post,
  parent: null,
};
const data = { commentId, postId, postAuthorId, accountId, parentCommentId: null, text: 'nice' };
const added: CommentEvent = { type: 'CommentAdded', data };
const deleted: CommentEvent = { type: 'CommentDeleted', data: { commentId, postId, deletedBy: accountId } };

describe('commenting', () => {
  it('is recorded', () => given().when(add).then(added));
  it('may answer a comment on the same post', () =>
    given()
      .when({ ...add, parent })
      .then({ type: 'CommentAdded', data: { ...data, parentCommentId: parent.commentId } }));
  it('refuses an id that is in use', () => given(added).when(add).thenRefused('comment_id_taken'));
  it('refuses a post that the account may not see', () =>
    given()
      .when({ ...add, post: { visible: false } })
      .thenRefused('post_not_found'));
  it('refuses a post whose author takes no comments', () =>
    given()
      .when({ ...add, post: { ...post, commentsDisabled: true } })
      .thenRefused('comments_disabled'));
  it('refuses to answer a comment that the account may not see', () =>
    given()
      .when({ ...add, parent: { status: 'absent' } })
      .thenRefused('parent_not_found'));
  it('refuses to answer a deleted comment', () =>
    given()
      .when({ ...add, parent: { ...parent, status: 'deleted' } })
      .thenRefused('parent_not_found'));
  it('refuses to answer a comment on another post', () =>
    given()
      .when({ ...add, parent: { ...parent, postId: newId.post() } })
      .thenRefused('parent_not_found'));
  it('refuses to answer a reply', () =>
    given()
      .when({ ...add, parent: { ...parent, parentCommentId: newId.comment() } })
      .thenRefused('parent_is_a_reply'));
});

describe('deleting a comment', () => {
  const by = (account: typeof accountId): CommentCommand => ({ type: 'DeleteComment', by: account });

  it('is for its writer', () => given(added).when(by(accountId)).then(deleted));
  it("is for the post's author", () =>
    given(added)
      .when(by(postAuthorId))
      .then({ type: 'CommentDeleted', data: { commentId, postId, deletedBy: postAuthorId } }));
  it('is for nobody else', () => given(added).when(by(other)).thenRefused('comment_not_yours'));
  it('happens once', () => given(added, deleted).when(by(accountId)).thenRefused('comment_not_found'));
  it('finds no comment that never was', () => given().when(by(accountId)).thenRefused('comment_not_found'));
});

it('obeys the laws of deciders', () =>
  expectLaws(commentDecider, [
    add,
    add,
    { type: 'DeleteComment', by: other },
    { type: 'DeleteComment', by: accountId },
  ]));
