import { json } from 'node:stream/consumers';
import { listen } from '../infra/http/server.ts';

/** A network of caches that takes purges over HTTP, on a port of its own. */
export type PurgeServer = {
  readonly url: string;
  /** What arrived, in order. */
  readonly purges: {
    readonly method: string | undefined;
    readonly contentType: string | undefined;
    readonly body: unknown;
  }[];
  /** The next answers, then 204 each time; null is none at all. */
  readonly answers: (number | null)[];
  close(): Promise<void>;
};

/** Starts the server; redirects lead back to it. */
export async function startPurgeServer(): Promise<PurgeServer> {
  const purges: PurgeServer['purges'] = [];
  const answers: PurgeServer['answers'] = [];
  const server = await listen(
    (request, response) => {
      json(request)
        .catch(() => null)
        .then(
          (body) => {
            purges.push({ method: request.method, contentType: request.headers['content-type'], body });
            const status = answers.length === 0 ? 204 : answers.shift();
            if (typeof status === 'number')
              response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
          },
          () => {
            response.destroy();
          },
        );
    },
    { port: 0, host: '127.0.0.1', drainLimitMs: 100 },
  );
  return { url: `http://127.0.0.1:${String(server.port)}/purge`, purges, answers, close: () => server.close() };
}
