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

/**
 * Takes bodies whole before anybody else is troubled with them: small ones in memory, others in files in `directory`.
 * Never destroys the request, so that a refusal can be answered.
 */
export function createBodyReceiver(directory: string, limits: BodyLimits): BodyReceiver {
  const spool = createSpool(directory, limits);
  return async (request, { limitBytes, onProgress }) => {
    const declared = Number(request.headers['content-length'] ?? 0);
    if (request.headers['transfer-encoding'] === undefined && declared === 0) return { ok: true, body: NO_BODY };
    if (declared > limitBytes) return { ok: false, code: 'too_large' };
    const store = spool(clientNetwork(request.socket.remoteAddress));
    const refuse = async (code: Extract<Reception, { ok: false }>['code']): Promise<Reception> => {
      await store.release();
      return { ok: false, code };
    };
    const pace = keepPace(limits);
    const chunks = request.iterator({ destroyOnReturn: false });
    try {
      for (;;) {
        const next = await Promise.race([chunks.next(), pace.late]);
        if (next === 'late') return await refuse('late');
        if (next.done === true) return { ok: true, body: store };
        const chunk: unknown = next.value;
        if (!Buffer.isBuffer(chunk)) throw new TypeError('a body without an encoding comes in buffers');
        if (store.bytes + chunk.length > limitBytes) return await refuse('too_large');
        if (!(await store.add(chunk))) return await refuse('no_room');
        pace.heard(chunk.length);
        onProgress();
      }
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
