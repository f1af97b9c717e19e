import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { STORE_STREAM, type EventStore } from '../event-store/event-store.ts';
import type { Pool } from '../postgres.ts';
import { dumpVault } from '../vault/vault-archive.ts';
import { asOnlyExport, type ExportRight } from './archive-lock.ts';
import { ArchiveError, readManifest, writeLines, writeManifest, writeSegment, type Manifest } from './segment.ts';
import type { ArchiveStorage } from './storage.ts';

export type ExportOptions = {
  readonly store: EventStore;
  readonly pool: Pool;
  readonly storage: ArchiveStorage;
  readonly signal: AbortSignal;
  /** Called after each segment with the events in the archive so far. */
  readonly onSegment: (events: number) => void;
  /** Events of one segment, 20,000 when absent. */
  readonly segmentEvents?: number;
};

const SEGMENT_EVENTS = 20_000;

/**
 * Writes the log behind the archive's last segment, then the vault with its keys still wrapped: every key that an
 * exported event needs was committed before the event. Run again it adds what is new and replaces the vault. Resolves
 * with the manifest; throws ArchiveError when the archive belongs to another log, or another export writes into it.
 * Each write that others read is preceded by a question whether that is still so.
 */
export async function exportLog(options: ExportOptions): Promise<Manifest> {
  return asOnlyExport(options.pool, options.storage.place, (right) => writeArchive(options, right));
}

async function writeArchive(options: ExportOptions, right: ExportRight): Promise<Manifest> {
  const { store, storage, signal } = options;
  let manifest: Manifest = (await readManifest(storage)) ?? {
    format: 1,
    storeId: store.storeId,
    segments: [],
    obsolete: [],
  };
  const note = async (next: Manifest) => {
    await right.ask();
    await writeManifest(storage, next);
    manifest = next;
  };
  if (manifest.storeId !== store.storeId)
    throw new ArchiveError(
      `the archive holds log ${manifest.storeId}, the connected one is ${store.storeId}: export into another folder`,
    );
  for await (const events of inSegments(
    store,
    manifest.segments.at(-1)?.last ?? START_OF_LOG,
    options.segmentEvents ?? SEGMENT_EVENTS,
  )) {
    signal.throwIfAborted();
    await right.ask();
    const entry = await writeSegment(storage, manifest.segments.length + 1, events);
    await note({ ...manifest, segments: [...manifest.segments, entry] });
    options.onSegment(eventsIn(manifest));
  }
  const earlier = manifest.vault === undefined ? [] : [manifest.vault.file];
  const vault = await writeLines(
    storage,
    `vault-${manifest.segments.length}`,
    await dumpVault(options.pool),
    async (file) => {
      signal.throwIfAborted();
      if (!earlier.includes(file)) await note({ ...manifest, obsolete: [...new Set([...manifest.obsolete, file])] });
    },
  );
  // An earlier vault still holds the keys of accounts that were erased since: it must not stay, whatever interrupts
  // this.
  const obsolete = [...manifest.obsolete, ...earlier].filter((file) => file !== vault.file);
  await note({ ...manifest, vault, obsolete, finishedAt: new Date().toISOString() });
  for (const file of obsolete) {
    await right.ask();
    await storage.remove(file);
  }
  await note({ ...manifest, obsolete: [], finishedAt: new Date().toISOString() });
  return manifest;
}

/** How many events an archive holds. */
export function eventsIn(manifest: Manifest): number {
  return manifest.segments.reduce((sum, { events }) => sum + events, 0);
}

async function* inSegments(
  store: EventStore,
  after: Position,
  most: number,
): AsyncIterable<[RecordedEvent, ...RecordedEvent[]]> {
  let events: RecordedEvent[] = [];
  for await (const event of store.readAll({ after })) {
    // The identity of a log is not part of its history: a restored log has its own.
    if (event.streamId === STORE_STREAM) continue;
    events.push(event);
    if (events.length < most) continue;
    if (isFilled(events)) yield events;
    events = [];
  }
  if (isFilled(events)) yield events;
}

function isFilled<T>(items: T[]): items is [T, ...T[]] {
  return items.length > 0;
}
