import { typeid, TypeID } from 'typeid-js';
import { parse, stringify, v5 } from 'uuid';
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

/** When an id was made, by the clock of who made it, to the millisecond; undefined for one that does not tell. */
export function timeOf(id: AccountId): Date | undefined {
  const bytes = parse(TypeID.fromString(id).toUUID());
  return (bytes[6] ?? 0) >> 4 === 7 ? new Date(Buffer.from(bytes.subarray(0, 6)).readUIntBE(0, 6)) : undefined;
}

/** The id of the n-th event of a command: the same for every retry of the command (UUIDv5, RFC 9562). */
export function eventIdOf(commandId: string, streamId: string, index: number): string {
  return v5(`${streamId}/${index}`, commandId);
}

/** The command id of a reaction to an event: the same each time the event is delivered. */
export function reactionCommandId(eventId: string, reaction: string): string {
  return v5(reaction, eventId);
}

/**
 * Ids for what a command creates: the same each time the command is repeated, and sorted by the command's time.
 * `ordinal` tells several of one kind apart.
 */
export const idFromCommand = {
  account: (commandId: string) => AccountId.parse(TypeID.fromUUID('acc', commandId).toString()),
  post: (commandId: string) => PostId.parse(TypeID.fromUUID('post', commandId).toString()),
  media: (commandId: string, ordinal = 0) =>
    MediaId.parse(TypeID.fromUUID('med', relatedUuid(commandId, `media/${ordinal}`)).toString()),
  derivedMedia: (commandId: string, ordinal: number) =>
    MediaId.parse(TypeID.fromUUID('med', relatedUuid(commandId, `derived-media/${ordinal}`)).toString()),
  comment: (commandId: string) => CommentId.parse(TypeID.fromUUID('cmt', commandId).toString()),
  story: (commandId: string) => StoryId.parse(TypeID.fromUUID('sty', commandId).toString()),
} as const;

// Keeps the time of a UUIDv7 (its first 48 bits, then the version) and takes all other bits from a hash.
function relatedUuid(uuid: string, name: string): string {
  const bytes = parse(v5(name, uuid));
  bytes.set(parse(uuid).subarray(0, 6));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  return stringify(bytes);
}

/**
 * The id of one step of a command that goes through several decisions of one stream. The handler takes a second
 * decision under the same id for a repeat of the first.
 */
export function stepCommandId(commandId: string, step: string): string {
  return v5(step, commandId);
}

/** Fixed and random: the name space of commands that time brings about. */
const SWEEPS = '5a7b0a52-6c1e-4f0b-9d55-0c7f3b1f8f1e';

/** The id of a command that a sweep gives to one thing: the same each time the sweep finds it. */
export function sweepCommandId(id: string, sweep: string): string {
  return v5(`${sweep}/${id}`, SWEEPS);
}
