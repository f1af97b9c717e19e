import {
  BACKWARDS,
  END,
  FORWARDS,
  START,
  StreamNotFoundError,
  type EventStoreDBClient,
  type ResolvedEvent,
} from '@eventstore/db-client';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { awayError, EventStoreAwayError } from './event-store-failures.ts';
import { toRecorded } from './event-store-reading.ts';

/**
 * All events of a stream; none when it is not there. Throws EventStoreAwayError when the connection is lost, or
 * `limitMs` pass without an answer: the client itself would wait for ever.
 */
export function readWholeStream(
  client: EventStoreDBClient,
  streamId: string,
  limitMs: number,
): Promise<RecordedEvent[]> {
  return readStream(client.readStream(streamId, { direction: FORWARDS, fromRevision: START }), { streamId, limitMs });
}

/** The newest event of a stream; undefined when it is not there. Throws likewise. */
export async function readLastOf(
  client: EventStoreDBClient,
  streamId: string,
  limitMs: number,
): Promise<RecordedEvent | undefined> {
  const reading = client.readStream(streamId, { direction: BACKWARDS, fromRevision: END, maxCount: 1 });
  return (await readStream(reading, { streamId, limitMs }))[0];
}

async function readStream(
  reading: ReturnType<EventStoreDBClient['readStream']>,
  { streamId, limitMs }: { streamId: string; limitMs: number },
): Promise<RecordedEvent[]> {
  const heard: ResolvedEvent[] = [];
  let silence: NodeJS.Timeout | undefined;
  try {
    // By listening, which costs half of what iterating does (a stream that is not there then makes and destroys a chain
    // of errors), and a command reads several streams. What is heard is converted afterwards, where a throw has a
    // caller.
    await new Promise<void>((resolve, reject) => {
      silence = setTimeout(() => {
        reject(new EventStoreAwayError(`the reading of ${streamId}: no answer within ${String(limitMs)} ms`));
        reading.cancel().catch(() => undefined);
      }, limitMs);
      reading
        .on('data', (resolved: ResolvedEvent) => {
          silence?.refresh();
          heard.push(resolved);
        })
        .on('error', (error: unknown) => {
          if (error instanceof StreamNotFoundError) resolve();
          else reject(awayError(`the reading of ${streamId}`, error));
        })
        .on('end', resolve)
        .on('close', () => {
          reject(new EventStoreAwayError(`the reading of ${streamId} broke off`));
        });
    });
  } finally {
    clearTimeout(silence);
  }
  return heard.flatMap((resolved) => toRecorded(resolved) ?? []);
}
