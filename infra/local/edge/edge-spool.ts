import { randomUUID } from 'node:crypto';
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

export type SpoolLimits = {
  /** What stays in memory of one body; a larger one goes to a file. */
  readonly memoryBytes: number;
  /** What all files together may take, and those of one address. */
  readonly spoolBytes: number;
  readonly spoolBytesPerAddress: number;
};

/** Bytes that are kept until `release`; `open` reads them from the start, each time. */
export type Spooled = {
  readonly bytes: number;
  /** False when there is no room for the chunk. */
  readonly add: (chunk: Buffer) => Promise<boolean>;
  readonly open: () => Readable;
  readonly release: () => Promise<void>;
};

type Room = { take: (network: string, bytes: number) => boolean; giveBack: (network: string, bytes: number) => void };

/** Keeps bytes in memory or, where they are many, in files without a name, which are gone with the process. */
export function createSpool(directory: string, limits: SpoolLimits): (network: string) => Spooled {
  const room = createRoom(limits);
  return (network) => {
    const kept: Buffer[] = [];
    let bytes = 0;
    let file: FileHandle | undefined;
    let taken = 0;
    const write = async (chunk: Buffer): Promise<boolean> => {
      if (!room.take(network, chunk.length)) return false;
      taken += chunk.length;
      file ??= await openNameless(directory);
      await file.writeFile(chunk);
      return true;
    };
    return {
      get bytes() {
        return bytes;
      },
      add: (chunk) => {
        bytes += chunk.length;
        if (file !== undefined) return write(chunk);
        kept.push(chunk);
        return bytes <= limits.memoryBytes ? Promise.resolve(true) : write(Buffer.concat(kept.splice(0)));
      },
      open: () =>
        file === undefined
          ? Readable.from(kept, { objectMode: false })
          : file.createReadStream({ start: 0, end: bytes - 1, autoClose: false }),
      release: async () => {
        room.giveBack(network, taken);
        taken = 0;
        kept.length = 0;
        await file?.close();
        file = undefined;
      },
    };
  };
}

function createRoom({ spoolBytes, spoolBytesPerAddress }: SpoolLimits): Room {
  let used = 0;
  const usedBy = new Map<string, number>();
  const change = (network: string, bytes: number) => {
    const now = (usedBy.get(network) ?? 0) + bytes;
    used += bytes;
    if (now === 0) usedBy.delete(network);
    else usedBy.set(network, now);
  };
  return {
    take: (network, bytes) => {
      const fits = used + bytes <= spoolBytes && (usedBy.get(network) ?? 0) + bytes <= spoolBytesPerAddress;
      if (fits) change(network, bytes);
      return fits;
    },
    giveBack: (network, bytes) => {
      if (bytes > 0) change(network, -bytes);
    },
  };
}

async function openNameless(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, randomUUID());
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
