import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { ArchiveStorage } from './storage.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const FileEntry = z.object({ file: z.string().regex(/^[a-z0-9.-]+$/), sha256: Sha256, bytes: z.int().nonnegative() });
const SegmentEntry = FileEntry.extend({ events: z.int().positive(), first: Position, last: Position });
export type SegmentEntry = z.infer<typeof SegmentEntry>;

/** What an archive holds, in order; rewritten after each segment, so that an interrupted export goes on from there. */
export const Manifest = z.object({
  format: z.literal(1),
  /** The log that was exported. */
  storeId: z.uuid(),
  segments: z.array(SegmentEntry),
  /** The vault as it was after the last segment; absent until an export has finished. */
  vault: FileEntry.optional(),
  /** Files of earlier exports that are being removed. */
  obsolete: z.array(FileEntry.shape.file).default([]),
  finishedAt: z.iso.datetime().optional(),
});
export type Manifest = z.infer<typeof Manifest>;

/** The archive is damaged or not what it says it is; the message names the file. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

const MANIFEST = 'manifest.json';
const MOST_SEGMENT_BYTES = 1024 ** 3;

const ArchivedEvent = z.object({
  s: z.string(),
  r: z.coerce.bigint(),
  p: Position,
  i: z.uuid(),
  t: z.string(),
  c: z.coerce.date(),
  d: z.unknown(),
  m: z.unknown(),
});

/** The manifest of an archive, or undefined when there is no archive yet. Throws ArchiveError when it is damaged. */
export async function readManifest(storage: ArchiveStorage): Promise<Manifest | undefined> {
  const bytes = await storage.read(MANIFEST);
  if (bytes === undefined) return undefined;
  try {
    return Manifest.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new ArchiveError(`${MANIFEST} is damaged`, { cause: error });
  }
}

/** Writes the manifest; what it lists must be written already. */
export async function writeManifest(storage: ArchiveStorage, manifest: Manifest): Promise<void> {
  await storage.write(MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
}

/** Writes events as one segment (JSON lines, zstd) and gives its entry for the manifest. */
export async function writeSegment(
  storage: ArchiveStorage,
  number: number,
  events: readonly [RecordedEvent, ...RecordedEvent[]],
): Promise<SegmentEntry> {
  const lines = events.map(({ streamId, revision, position, id, type, createdAt, data, metadata }) =>
    JSON.stringify({
      s: streamId,
      r: revision.toString(),
      p: position,
      i: id,
      t: type,
      c: createdAt,
      d: data,
      m: metadata,
    }),
  );
  const entry = await writeLines(storage, `segment-${String(number).padStart(6, '0')}`, lines);
  return { ...entry, events: events.length, first: events[0].position, last: (events.at(-1) ?? events[0]).position };
}

/** The events of a segment. Throws ArchiveError when its bytes are not the ones that were written. */
export async function readSegment(storage: ArchiveStorage, entry: SegmentEntry): Promise<RecordedEvent[]> {
  const lines = await readLines(storage, entry);
  if (lines.length !== entry.events)
    throw new ArchiveError(`${entry.file} has ${lines.length} events instead of ${entry.events}`);
  return lines.map((line) => {
    const { s, r, p, i, t, c, d, m } = ArchivedEvent.parse(JSON.parse(line));
    return { streamId: s, revision: r, position: p, id: i, type: t, createdAt: c, data: d, metadata: m };
  });
}

/**
 * Writes lines as one compressed file with its checksum. The checksum is part of the file's name, so that no file which
 * a manifest lists is ever written over: not by an export that is killed before its manifest, nor by two at a time.
 * `announce` learns the name before anything is written.
 */
export async function writeLines(
  storage: ArchiveStorage,
  name: string,
  lines: readonly string[],
  announce: (file: string) => Promise<void> = () => Promise.resolve(),
): Promise<z.infer<typeof FileEntry>> {
  const bytes = await promisify(zstdCompress)(Buffer.from(lines.join('\n')));
  const checksum = sha256(bytes);
  const file = `${name}-${checksum.slice(0, 12)}.jsonl.zst`;
  await announce(file);
  await storage.write(file, bytes);
  return { file, sha256: checksum, bytes: bytes.length };
}

/** The lines of a file that `writeLines` wrote. Throws ArchiveError when it is missing or changed. */
export async function readLines(storage: ArchiveStorage, entry: z.infer<typeof FileEntry>): Promise<string[]> {
  const bytes = await verifiedBytes(storage, entry);
  const text = (await promisify(zstdDecompress)(bytes, { maxOutputLength: MOST_SEGMENT_BYTES })).toString('utf8');
  return text === '' ? [] : text.split('\n');
}

/** Reads a file of the archive and checks it against the manifest. */
export async function verifiedBytes(storage: ArchiveStorage, entry: z.infer<typeof FileEntry>): Promise<Buffer> {
  const bytes = await storage.read(entry.file);
  if (bytes === undefined) throw new ArchiveError(`${entry.file} is missing`);
  if (sha256(bytes) !== entry.sha256)
    throw new ArchiveError(`${entry.file} does not have the checksum of the manifest`);
  return bytes;
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
