import { typeid } from 'typeid-js';
import { v5 } from 'uuid';
import { AccountId, CommentId, MediaId, MessageId, PostId, StoryId } from '../domain/ids.ts';

/** Fresh TypeIDs (UUIDv7 inside, so they sort by the time of creation). */
export const newId = {
  account: () => AccountId.parse(typeid('acc').toString()),
  post: () => PostId.parse(typeid('post').toString()),
  media: () => MediaId.parse(typeid('med').toString()),
  comment: () => CommentId.parse(typeid('cmt').toString()),
  story: () => StoryId.parse(typeid('sty').toString()),
  message: () => MessageId.parse(typeid('msg').toString()),
} as const;

/** The id of the n-th event of a command: the same for every retry of the command (UUIDv5, RFC 9562). */
export function eventIdOf(commandId: string, streamId: string, index: number): string {
  return v5(`${streamId}/${index}`, commandId);
}

/** The command id of a reaction to an event: the same each time the event is delivered. */
export function reactionCommandId(eventId: string, reaction: string): string {
  return v5(reaction, eventId);
}
