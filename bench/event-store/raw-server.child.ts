import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

/**
 * A bare HTTP/2 server that answers every read with the same ready-encoded messages from memory. Argument: the file of
 * messages.
 */
const messages = readFileSync(process.argv[2] ?? '');
const CHUNK = 64 * 1024;

async function answer(stream: ServerHttp2Stream): Promise<void> {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  for (let at = 0; at < messages.length && !stream.destroyed; at += CHUNK) {
    if (!stream.write(messages.subarray(at, at + CHUNK))) await once(stream, 'drain');
  }
  stream.end();
}

const server = createServer();
server.on('stream', (stream) => {
  stream.on('error', () => undefined);
  stream.resume();
  answer(stream).catch(() => undefined);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready: esdb://127.0.0.1:${(server.address() as AddressInfo).port}?tls=false\n`);
});
process.once('SIGTERM', () => process.exit(0));
