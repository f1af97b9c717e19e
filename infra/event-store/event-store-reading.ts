import {
  BACKWARDS,
  END,
  FORWARDS,
  START,
  type AllStreamResolvedEvent,
  type EventStoreDBClient,
  type ResolvedEvent,
} from '@eventstore/db-client';
import type { Readable } from 'node:stream';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';

// Reading a little more than asked spares a second page when system events stand between ours.
const SYSTEM_EVENTS_ALLOWED = 32;
const PAGE_AT_MOST = 5_000;

type Reading = { readonly after?: Position; readonly limit?: number; readonly backwards?: boolean };

/** Events of the whole log without system events: after a position, at most some, or newest first. */
export async function* readAll(
  client: EventStoreDBClient,
  { after, limit, backwards = false }: Reading,
): AsyncIterable<RecordedEvent> {
  const from = after === START_OF_LOG ? undefined : after;
  if (limit !== undefined) {
    yield* readSome(client, { from, backwards, limit });
    return;
  }
  for await (const { event } of readPage(client, { from, backwards, pageSize: undefined }))
    if (event !== undefined) yield event;
}

// In whole pages: a call that is cancelled costs the connection, and after some hundred of them in a row it is closed.
async function* readSome(
  client: EventStoreDBClient,
  { from, backwards, limit }: { from: Position | undefined; backwards: boolean; limit: number },
): AsyncIterable<RecordedEvent> {
  let place = from;
  for (let left = limit; left > 0;) {
    const pageSize = Math.min(left, PAGE_AT_MOST) + SYSTEM_EVENTS_ALLOWED;
    const page: Placed[] = [];
    for await (const placed of readPage(client, { from: place, backwards, pageSize })) page.push(placed);
    const ours = page.flatMap(({ event }) => event ?? []).slice(0, left);
    yield* ours;
    left -= ours.length;
    place = page.at(-1)?.position ?? place;
    if (page.length < pageSize) return;
  }
}

type Placed = { readonly position: Position; readonly event: RecordedEvent | undefined };
type Page = { readonly from: Position | undefined; readonly backwards: boolean; readonly pageSize: number | undefined };

async function* readPage(client: EventStoreDBClient, { from, backwards, pageSize }: Page): AsyncIterable<Placed> {
  const reading = client.readAll({
    ...(pageSize === undefined ? {} : { maxCount: pageSize }),
    direction: backwards ? BACKWARDS : FORWARDS,
    fromPosition: from === undefined ? (backwards ? END : START) : parsePosition(from),
  });
  let ended = false;
  try {
    for await (const resolved of iterate<AllStreamResolvedEvent>(reading)) {
      const at = resolved.event?.position;
      if (at === undefined) continue;
      const position = positionOf(at);
      // A read may begin with the event at the position that it starts from.
      yield { position, event: position === from ? undefined : toRecorded(resolved) };
    }
    ended = true;
  } finally {
    // A reader that stops early leaves the call open, and the server pushing, unless it is told; and the call ends only
    // once what had already arrived is taken from it.
    if (!ended) await reading.cancel();
    reading.on('error', () => undefined).resume();
  }
}

/** Unlike the stream's own iterator this leaves the stream alive when its consumer stops, so that it can be drained. */
function iterate<E>(stream: Pick<Readable, 'iterator'>): AsyncIterable<E> {
  return { [Symbol.asyncIterator]: () => stream.iterator({ destroyOnReturn: false }) };
}

/** The position of the newest event of ours. */
export async function headOf(client: EventStoreDBClient): Promise<Position> {
  for await (const event of readAll(client, { backwards: true, limit: 1 })) return event.position;
  return START_OF_LOG;
}

/** An event as the program sees it; undefined for system events. */
export function toRecorded(resolved: ResolvedEvent | AllStreamResolvedEvent): RecordedEvent | undefined {
  const event = resolved.event;
  if (event === undefined || event.type.startsWith('$') || event.streamId.startsWith('$')) return undefined;
  if (event.position === undefined) throw new Error(`the event store gave no position for ${event.id}`);
  return {
    streamId: event.streamId,
    revision: event.revision,
    position: positionOf(event.position),
    id: event.id,
    type: event.type,
    data: event.data,
    metadata: event.metadata,
    createdAt: event.created,
  };
}

// For every event that is read: the schema itself takes four times as long as its expression.
const isPosition = (text: string): text is Position => /^[0-9a-f]{32}$/.test(text);
const hex = (value: bigint) => value.toString(16).padStart(16, '0');

/** The program's form of a position. */
export function positionOf({ commit, prepare }: { commit: bigint; prepare: bigint }): Position {
  const first = hex(commit);
  const text = first + (prepare === commit ? first : hex(prepare));
  if (!isPosition(text)) throw new Error(`${text} is no position`);
  return text;
}

/** The client's form of a position. */
export function parsePosition(position: Position): { commit: bigint; prepare: bigint } {
  return { commit: BigInt(`0x${position.slice(0, 16)}`), prepare: BigInt(`0x${position.slice(16)}`) };
}
