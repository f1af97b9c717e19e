import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, personal, typesOf, type EventOf } from './event-definition.ts';
import { AccountId, CommentId, PostId } from './ids.ts';
import { LIMITS } from './limits.ts';
import type { PostFact } from './post.ts';
import { storedText } from './text.ts';

// Events
export const commentEvents = [
  defineEvent({
    type: 'CommentAdded',
    says: 'An account commented on a post, or replied to a comment (one level).',
    subject: 'accountId',
    data: {
      commentId: CommentId,
      postId: PostId,
      postAuthorId: AccountId,
      accountId: AccountId,
      parentCommentId: CommentId.nullable(),
      text: personal(storedText(LIMITS.comment).min(1)),
    },
  }),
  defineEvent({
    type: 'CommentDeleted',
    says: 'The comment is gone, with its replies when it had any.',
    data: { commentId: CommentId, postId: PostId, deletedBy: AccountId },
  }),
] as const;
export type CommentEvent = EventOf<(typeof commentEvents)[number]>;

// State
type Written = {
  readonly commentId: CommentId;
  readonly postId: PostId;
  readonly postAuthorId: AccountId;
  readonly accountId: AccountId;
  readonly parentCommentId: CommentId | null;
};
export type CommentState =
  | { readonly status: 'absent' }
  | ({ readonly status: 'posted' } & Written)
  | ({ readonly status: 'deleted' } & Written);

function evolve(state: CommentState, event: CommentEvent): CommentState {
  switch (event.type) {
    case 'CommentAdded': {
      const { commentId, postId, postAuthorId, accountId, parentCommentId } = event.data;
      return { status: 'posted', commentId, postId, postAuthorId, accountId, parentCommentId };
    }
    case 'CommentDeleted':
      return state.status === 'posted' ? { ...state, status: 'deleted' } : state;
    default:
      return event satisfies never;
  }
}

/** What a like of a comment must know of it: a comment that the account may not see looks like none. */
export type CommentFact = { readonly visible: false } | { readonly visible: true; readonly postId: PostId };

// Commands
export type CommentCommand =
  | {
      readonly type: 'AddComment';
      readonly commentId: CommentId;
      readonly postId: PostId;
      readonly accountId: AccountId;
      readonly text: string;
      readonly post: PostFact;
      /**
       * The comment that is answered, `absent` when the account may not see it; null for a comment on the post itself.
       */
      readonly parent: CommentState | null;
    }
  | { readonly type: 'DeleteComment'; readonly by: AccountId };
export type CommentRefusal =
  | 'comment_id_taken'
  | 'post_not_found'
  | 'comments_disabled'
  | 'parent_not_found'
  | 'parent_is_a_reply'
  | 'comment_not_found'
  | 'comment_not_yours';

function addComment(
  state: CommentState,
  { commentId, postId, accountId, text, post, parent }: Extract<CommentCommand, { type: 'AddComment' }>,
) {
  if (state.status !== 'absent') return refuse('comment_id_taken');
  if (!post.visible) return refuse('post_not_found');
  if (post.commentsDisabled) return refuse('comments_disabled');
  const comment = { commentId, postId, postAuthorId: post.authorId, accountId, text };
  if (parent === null)
    return accept<CommentEvent>({ type: 'CommentAdded', data: { ...comment, parentCommentId: null } });
  if (parent.status !== 'posted' || parent.postId !== postId) return refuse('parent_not_found');
  if (parent.parentCommentId !== null)
    return refuse('parent_is_a_reply', 'answer the comment that the reply belongs to');
  return accept<CommentEvent>({ type: 'CommentAdded', data: { ...comment, parentCommentId: parent.commentId } });
}

function deleteComment(state: CommentState, by: AccountId) {
  if (state.status !== 'posted') return refuse('comment_not_found');
  if (by !== state.accountId && by !== state.postAuthorId) return refuse('comment_not_yours');
  return accept<CommentEvent>({
    type: 'CommentDeleted',
    data: { commentId: state.commentId, postId: state.postId, deletedBy: by },
  });
}

function decide(command: CommentCommand, state: CommentState) {
  switch (command.type) {
    case 'AddComment':
      return addComment(state, command);
    case 'DeleteComment':
      return deleteComment(state, command.by);
    default:
      return command satisfies never;
  }
}

/** One comment or reply; its writer and the post's author may delete it. */
export const commentDecider: Decider<CommentState, CommentCommand, CommentEvent, CommentRefusal> = {
  eventTypes: typesOf(commentEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
