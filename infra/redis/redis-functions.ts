import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { serversOf, type RedisClient } from './redis.ts';

const LIBRARY = new URL('./redis-functions.lua', import.meta.url);

/** The lane was taken over by another process: this one must write no more. */
export class StaleEpochError extends Error {
  override readonly name = 'StaleEpochError';
}

/**
 * Redis does not know the lane's epoch (it was emptied): the writer must prove that the lane is its own, then register.
 */
export class EpochUnknownError extends Error {
  override readonly name = 'EpochUnknownError';
}

/** Calls one of our server-side functions; all keys must share a slot in a cluster. */
export type FunctionCaller = (
  name: string,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

/**
 * A caller that loads the library of functions when a server does not have it (a new server, FUNCTION FLUSH, a new
 * version). Refusals by epoch come as StaleEpochError and EpochUnknownError, everything else as the driver's error.
 */
export function createFunctionCaller(client: RedisClient): FunctionCaller {
  const library = readLibrary();
  // Its failure is reported by each call.
  library.catch(() => undefined);
  const load = once(async () => loadLibrary(client, await library));
  return async (name, keys, args) => {
    const { version } = await library;
    const call = () => client.fcall(`${name}_${version}`, keys.length, ...keys, ...args);
    try {
      return await call().catch(async (error: unknown) => {
        if (!messageOf(error).includes('Function not found')) throw error;
        await load();
        return call();
      });
    } catch (error) {
      throw translated(error);
    }
  };
}

type Library = { readonly version: string; readonly code: string };

// The names of library and functions carry a hash of the code: programs of two releases each find their own.
async function readLibrary(): Promise<Library> {
  const code = await readFile(LIBRARY, 'utf8');
  const version = createHash('sha256').update(code).digest('hex').slice(0, 8);
  return { version, code: code.replaceAll('VERSION', version) };
}

async function loadLibrary(client: RedisClient, { code }: Library): Promise<void> {
  await Promise.all(serversOf(client).map((server) => server.call('FUNCTION', 'LOAD', 'REPLACE', code)));
}

/** Runs `work` once for all callers that arrive while it runs. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () =>
    (running ??= work().finally(() => {
      running = undefined;
    }));
}

function translated(error: unknown): unknown {
  const message = messageOf(error);
  if (message.startsWith('STALE ')) return new StaleEpochError(message, { cause: error });
  if (message.startsWith('NOEPOCH ')) return new EpochUnknownError(message, { cause: error });
  return error;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
