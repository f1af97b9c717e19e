import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { CliError } from './context.ts';

/**
 * Writes a file that its owner alone may read, whole or not at all, holding no more than a piece of it. What stood
 * there before, for others to read perhaps, stays until the new file is complete. Throws CliError when one is being
 * written there.
 */
export async function writePrivateFile(path: string, text: AsyncIterable<string>): Promise<void> {
  const part = `${path}.part`;
  const file = await createPrivately(part);
  try {
    await pipeline(text, file.createWriteStream({ flush: true }));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

// A mode is obeyed only by a file that is made: one that is there keeps its own, and so would a link to elsewhere.
async function createPrivately(part: string): Promise<FileHandle> {
  try {
    return await open(part, 'wx', 0o600);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new CliError(
        `${part} is there already: another export is writing it, or one was killed; remove it when none is under way`,
      );
    throw error;
  }
}
