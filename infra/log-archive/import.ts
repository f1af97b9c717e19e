import { z } from 'zod';
import { AccountId } from '../../domain/ids.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { STORE_STREAM, type EventStore, type NewEvent } from '../event-store/event-store.ts';
import { ArchiveError, readSegment, verifiedBytes, type Manifest } from './segment.ts';
import type { ArchiveStorage } from './storage.ts';

export type ImportOptions = {
  readonly store: EventStore;
  readonly storage: ArchiveStorage;
  readonly manifest: Manifest;
  readonly signal: AbortSignal;
  readonly onEvents: (events: number) => void;
};

/** Appends on their way at a time: they travel in order over one stream, and the end of the import proves the order. */
const WINDOW = 64;

const Erased = z.object({ accountId: AccountId });

/** Reads every file of the archive once and compares its checksum. Throws ArchiveError that names the first bad one. */
export async function checkArchive(storage: ArchiveStorage, manifest: Manifest): Promise<void> {
  if (manifest.vault === undefined)
    throw new ArchiveError('the archive is unfinished: its export was interrupted, run it again first');
  for (const entry of [...manifest.segments, manifest.vault]) await verifiedBytes(storage, entry);
}

/**
 * Throws ArchiveError when the connected log is neither empty nor the beginning of the archive, so that nothing of it
 * may be restored here.
 */
export async function checkTarget(options: Omit<ImportOptions, 'onEvents'>): Promise<void> {
  await compareWithArchive(options);
}

/**
 * Appends the archived events to the connected log: the same streams, revisions, ids and relative order. The log must
 * be empty, or hold the beginning of this archive from an interrupted import, which then goes on. Resolves with the
 * accounts that the log says are erased, once the whole log has been read back and compared.
 */
export async function importLog(options: ImportOptions): Promise<{ erased: AccountId[] }> {
  const erased: AccountId[] = [];
  let present = await compareWithArchive(options);
  let window: Promise<unknown>[] = [];
  let done = 0;
  for await (const run of inRuns(archivedEvents(options))) {
    for (const { type, data } of run) if (type === 'AccountErased') erased.push(Erased.parse(data).accountId);
    done += run.length;
    const missing = run.slice(Math.min(present, run.length));
    present -= run.length - missing.length;
    if (isFilled(missing)) window.push(appendRun(options.store, missing));
    if (window.length < WINDOW) continue;
    await Promise.all(window);
    window = [];
    options.signal.throwIfAborted();
    options.onEvents(done);
  }
  await Promise.all(window);
  options.onEvents(done);
  const restored = await compareWithArchive(options);
  if (restored !== done)
    throw new ArchiveError(`the log holds ${restored} of ${done} archived events: run the import again`);
  return { erased };
}

// Neighbours of one stream go in one append.
async function* inRuns(events: AsyncIterable<RecordedEvent>): AsyncIterable<[RecordedEvent, ...RecordedEvent[]]> {
  let run: RecordedEvent[] = [];
  for await (const event of events) {
    if (run[0] !== undefined && (run[0].streamId !== event.streamId || run.length >= WINDOW)) {
      if (isFilled(run)) yield run;
      run = [];
    }
    run.push(event);
  }
  if (isFilled(run)) yield run;
}

async function appendRun(store: EventStore, run: readonly [RecordedEvent, ...RecordedEvent[]]): Promise<void> {
  const [first] = run;
  await store.append(first.streamId, first.revision === 0n ? 'no_stream' : first.revision - 1n, run.map(toNewEvent));
}

const JsonObjectSchema = z.record(z.string(), z.json());

function toNewEvent({ id, type, data, metadata }: RecordedEvent): NewEvent {
  return { id, type, data: JsonObjectSchema.parse(data), metadata: JsonObjectSchema.parse(metadata) };
}

/** How many events the log holds; throws ArchiveError when they are not the beginning of the archive, in its order. */
async function compareWithArchive(options: Omit<ImportOptions, 'onEvents'>): Promise<number> {
  const archived = archivedEvents(options)[Symbol.asyncIterator]();
  let same = 0;
  for await (const event of options.store.readAll()) {
    options.signal.throwIfAborted();
    if (event.streamId === STORE_STREAM) continue;
    const expected = await archived.next();
    if (
      expected.done === true ||
      expected.value.id !== event.id ||
      expected.value.streamId !== event.streamId ||
      expected.value.revision !== event.revision
    ) {
      throw new ArchiveError(
        `the log holds ${event.type} ${event.id}, which the archive does not have at this place: import into an empty store`,
      );
    }
    same += 1;
  }
  return same;
}

async function* archivedEvents({
  storage,
  manifest,
}: Pick<ImportOptions, 'storage' | 'manifest'>): AsyncIterable<RecordedEvent> {
  for (const entry of manifest.segments) yield* await readSegment(storage, entry);
}

function isFilled<T>(items: T[]): items is [T, ...T[]] {
  return items.length > 0;
}
