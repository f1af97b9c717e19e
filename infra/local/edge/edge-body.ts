import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { clientNetwork } from '../../http/client-address.ts';
import { createSpool, type SpoolLimits } from './edge-spool.ts';

export type BodyLimits = SpoolLimits & {
  /** Silence after which a body is given up, and the time that its client has on top of what its bytes take. */
  readonly patienceMs: number;
  /** The slowest pace that is waited for, on average. */
  readonly bytesPerSecond: number;
};

/**
 * A body that is all here. `release` gives its room back; `open` may be called until then, each time from the start.
 */
export type ReceivedBody = {
  readonly bytes: number;
  readonly open: () => Readable;
  readonly release: () => Promise<void>;
};
export type Reception =
  | { readonly ok: true; readonly body: ReceivedBody }
  | { readonly ok: false; readonly code: 'late' | 'too_large' | 'no_room' | 'gone' };

export type BodyReceiver = (
  request: IncomingMessage,
  how: { limitBytes: number; onProgress: () => void },
) => Promise<Reception>;

const NO_BODY: ReceivedBody = {
  bytes: 0,
  open: () => Readable.from([], { objectMode: false }),
  release: () => Promise.resolve(),
};

// NaN: it comes in chunks, and nobody says how many.
function declaredBytes({ headers }: IncomingMessage): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Number.NaN;
}

function bufferOf(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  throw new TypeError('a body without an encoding comes in buffers');
}

type Filling = {
  readonly pace: ReturnType<typeof keepPace>;
  readonly limitBytes: number;
  readonly onProgress: () => void;
};

// Undefined once all has come; otherwise why no more is taken.
async function fill(
  store: ReturnType<ReturnType<typeof createSpool>>,
  chunks: AsyncIterator<unknown>,
  { pace, limitBytes, onProgress }: Filling,
): Promise<'late' | 'too_large' | 'no_room' | undefined> {
  for (;;) {
    const next = await Promise.race([chunks.next(), pace.late]);
    if (next === 'late') return 'late';
    if (next.done === true) return undefined;
    const chunk = bufferOf(next.value);
    if (store.bytes + chunk.length > limitBytes) return 'too_large';
    if (!(await store.add(chunk))) return 'no_room';
    pace.heard(chunk.length);
    onProgress();
  }
}

/**
 * Takes bodies whole before anybody else is troubled with them: small ones in memory, others in files in `directory`.
 * Never destroys the request, so that a refusal can be answered.
 */
export function createBodyReceiver(directory: string, limits: BodyLimits): BodyReceiver {
  const spool = createSpool(directory, limits);
  return async (request, { limitBytes, onProgress }) => {
    const declared = declaredBytes(request);
    if (declared === 0) return { ok: true, body: NO_BODY };
    if (declared > limitBytes) return { ok: false, code: 'too_large' };
    const store = spool(clientNetwork(request.socket.remoteAddress));
    const refuse = async (code: Extract<Reception, { ok: false }>['code']): Promise<Reception> => {
      await store.release();
      return { ok: false, code };
    };
    const pace = keepPace(limits);
    const chunks = request.iterator({ destroyOnReturn: false });
    try {
      const failure = await fill(store, chunks, { pace, limitBytes, onProgress });
      return failure === undefined ? { ok: true, body: store } : await refuse(failure);
    } catch (error) {
      const refusal = await refuse('gone');
      if (request.destroyed) return refusal;
      throw error;
    } finally {
      pace.end();
      // A rejection of the chunk that nobody waits for any more.
      void chunks.return?.()?.catch(() => undefined);
    }
  };
}

/** Resolves `late` once a body is silent, or slower on the whole, than the limits allow. */
function keepPace({ patienceMs, bytesPerSecond }: BodyLimits): {
  late: Promise<'late'>;
  heard: (bytes: number) => void;
  end: () => void;
} {
  const began = performance.now();
  let received = 0;
  let heardAt = began;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    const look = () => {
      const ends = Math.min(heardAt + patienceMs, began + patienceMs + (received / bytesPerSecond) * 1000);
      const left = ends - performance.now();
      if (left <= 0) resolve('late');
      else timer = setTimeout(look, left);
    };
    look();
  });
  return {
    late,
    heard: (bytes) => {
      received += bytes;
      heardAt = performance.now();
    },
    end: () => {
      clearTimeout(timer);
    },
  };
}
