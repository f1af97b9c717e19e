import { once } from 'node:events';
import {
  connect,
  createSecureServer,
  type ServerHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  type ClientHttp2Session,
} from 'node:http2';
import type { TestCertificate } from './certificates.ts';

export type SecureFront = { readonly port: number; close(): Promise<void> };
export type SecureFrontOptions = TestCertificate & {
  /** The port of the event store that speaks without TLS. */
  readonly target: number;
  /** Whose requests pass, as `user:password`; all when it is absent. */
  readonly credentials?: string;
  /** The gRPC status of every answer to requests that are let in: a server that knows the user and grants nothing. */
  readonly denies?: number;
};

/** TLS and users in front of the embedded event store, as a production server has them. */
export async function openSecureFront(options: SecureFrontOptions): Promise<SecureFront> {
  const { key, cert, target } = options;
  const upstream = connect(`http://127.0.0.1:${target}`);
  upstream.on('error', () => undefined);
  const sessions = new Set<ServerHttp2Session>();
  const server = createSecureServer({ key, cert });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('sessionError', () => undefined);
  server.on('tlsClientError', () => undefined);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const status = refusal(headers, options);
    if (status === undefined) pass(stream, headers, upstream);
    else
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc+proto',
          'grpc-status': String(status),
          'grpc-message': 'refused',
        },
        { endStream: true },
      );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the front has no port');
  return {
    port: address.port,
    close: async () => {
      upstream.destroy();
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const UNAUTHENTICATED = 16;

// What the server is able to do, and which nodes there are, it tells everybody: the client asks without credentials.
function refusal(
  { authorization, ':path': path = '' }: IncomingHttpHeaders,
  { credentials, denies }: SecureFrontOptions,
): number | undefined {
  if (!path.startsWith('/event_store.client.streams.')) return undefined;
  if (credentials !== undefined && authorization !== `Basic ${Buffer.from(credentials).toString('base64')}`)
    return UNAUTHENTICATED;
  return denies;
}

function pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, upstream: ClientHttp2Session): void {
  const forwarded = upstream.request({ ...headers, ':scheme': 'http' });
  forwarded.on('error', () => {
    stream.close();
  });
  stream.on('close', () => {
    forwarded.close();
  });
  forwarded.on('response', (answer) => {
    if (answer['grpc-status'] !== undefined) {
      stream.respond(answer, { endStream: true });
      return;
    }
    forwarded.on('trailers', (trailers) => {
      stream.once('wantTrailers', () => {
        stream.sendTrailers(trailers);
      });
    });
    stream.respond(answer, { waitForTrailers: true });
    forwarded.pipe(stream);
  });
  stream.pipe(forwarded);
}
