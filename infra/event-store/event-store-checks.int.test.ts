import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, type TestAuthority } from '../../testing/certificates.ts';
import { openSecureFront, type SecureFront } from '../../testing/secure-front.ts';
import { openCheckedEventStore } from './event-store-checks.ts';
import { startEventStoreNode, type EventStoreNode } from '../event-store-node/server.ts';

const A_DAY_MS = 86_400_000;

let folder: string;
let authority: TestAuthority;
let stranger: TestAuthority;
let node: EventStoreNode;
const fronts: Record<string, SecureFront> = {};
const servers: Server[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'event-store-checks-'));
  node = await startEventStoreNode({ dataDir: join(folder, 'log') });
  [authority, stranger] = await Promise.all([makeAuthority(folder, 'ours'), makeAuthority(folder, 'theirs')]);
  const target = node.port;
  const good = await authority.issue(['localhost']);
  fronts['good'] = await openSecureFront({ ...good, target, credentials: 'shutterlog:right' });
  fronts['denying'] = await openSecureFront({ ...good, target, denies: 7 });
  fronts['other name'] = await openSecureFront({
    ...(await authority.issue(['node1.example', 'node2.example'])),
    target,
  });
  fronts['expired'] = await openSecureFront({
    ...(await authority.issue(['localhost'], new Date(Date.now() - A_DAY_MS))),
    target,
  });
});
afterAll(async () => {
  for (const front of Object.values(fronts)) await front.close();
  for (const server of servers) server.close();
  await node.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = (front: string, { user = 'shutterlog:right@', query = `tlsCaFile=${authority.file}` } = {}) =>
  `esdb://${user}localhost:${fronts[front]!.port}?${query}`;

describe('an event store that can be used', () => {
  it.each([
    ['behind TLS, with an authority of its own and a user', () => at('good')],
    ['without TLS', () => node.url],
    [
      'as one of several nodes that is up',
      () => `esdb://127.0.0.1:${node.port},127.0.0.1:1?tls=false&maxDiscoverAttempts=1`,
    ],
  ])('is opened: %s', async (_, url) => {
    await (await openCheckedEventStore(url())).close();
  });
});

describe('an event store that cannot be used', () => {
  it.each<[string, () => string | Promise<string>, RegExp, RegExp]>([
    [
      'the file of the authority is missing',
      () => at('good', { query: 'tlsCaFile=/nowhere/ca.crt' }),
      /^the file of tlsCaFile, \/nowhere\/ca\.crt, cannot be read \(ENOENT\)$/,
      /correct the path/,
    ],
    [
      'the file of the authority is no certificate',
      () => at('good', { query: `tlsCaFile=${textFile()}` }),
      /holds no certificate$/,
      /PEM/,
    ],
    [
      'another authority',
      () => at('good', { query: `tlsCaFile=${stranger.file}` }),
      /^localhost:\d+ shows a certificate of ours, which the authority in .+theirs\.crt did not sign$/,
      /let tlsCaFile name/,
    ],
    [
      'no authority named',
      () => at('good', { query: 'tls=true' }),
      /^localhost:\d+ shows a certificate of an authority that this machine does not know \(ours\)$/,
      /name the certificate of that authority with tlsCaFile/,
    ],
    [
      'a certificate for other names',
      () => at('other name'),
      /^the certificate of localhost:\d+ is for other names \(DNS:node1\.example, DNS:node2\.example\)$/,
      /names localhost/,
    ],
    [
      'a certificate that has run out',
      () => at('expired'),
      /^the certificate of localhost:\d+ is valid from .+ to .+$/,
      /renew it/,
    ],
    [
      'a host that nobody has heard of',
      () => 'esdb://no-such-host.invalid:2113?tls=false',
      /^(?:no machine is called no-such-host\.invalid|the name no-such-host\.invalid cannot be looked up at present)$/,
      /DNS/,
    ],
    [
      'a closed port',
      () => 'esdb://127.0.0.1:1?tls=false',
      /^nobody listens on 127\.0\.0\.1:1$/,
      /start the event store there/,
    ],
    [
      'a closed port, asked with TLS',
      () => 'esdb://127.0.0.1:1',
      /^nobody listens on 127\.0\.0\.1:1$/,
      /start the event store there/,
    ],
    [
      'TLS where it is spoken without',
      () => node.url.replace('?tls=false', ''),
      /^127\.0\.0\.1:\d+ speaks without TLS$/,
      /add tls=false/,
    ],
    [
      'no TLS where it is spoken with',
      () => at('good', { query: 'tls=false' }),
      /^localhost:\d+ speaks TLS$/,
      /leave tls=false out/,
    ],
    [
      'the wrong password',
      () => at('good', { user: 'shutterlog:wrong@' }),
      /^the event store does not accept the user shutterlog with this password$/,
      /set the password anew/,
    ],
    [
      'no user at all',
      () => at('good', { user: '' }),
      /^the event store wants to know who is asking$/,
      /esdb:\/\/user:password@/,
    ],
    [
      'a user without rights',
      () => at('denying'),
      /^the event store does not let shutterlog read or write$/,
      /docs\/production\.md/,
    ],
    [
      'a server of another kind',
      async () =>
        `esdb://127.0.0.1:${await portOf((socket) => {
          socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
        })}?tls=false`,
      /^what answers on 127\.0\.0\.1:\d+ is no event store$/,
      /2113/,
    ],
    [
      'a server that says nothing',
      async () => `esdb://127.0.0.1:${await portOf(() => undefined)}`,
      /^127\.0\.0\.1:\d+ takes connections and says nothing$/,
      /frozen/,
    ],
    [
      'several nodes, all down',
      () => 'esdb://127.0.0.1:1,127.0.0.1:2?tls=false',
      /^nobody listens on 127\.0\.0\.1:1$/,
      /start/,
    ],
    [
      'an address that cannot be read',
      () => 'esdb://127.0.0.1:port',
      /^the address cannot be read \(.*port number.*\)$/,
      /esdb:\/\/user:password@host:2113/,
    ],
  ])('says so with its own sentence and advice: %s', async (_, url, finding, advice) => {
    const failure: unknown = await openCheckedEventStore(await url()).then(
      (store) => store.close(),
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      name: 'EventStoreUnusableError',
      finding: expect.stringMatching(finding) as unknown,
      advice: expect.stringMatching(advice) as unknown,
    });
  });
});

function textFile(): string {
  const file = join(folder, 'notes.txt');
  writeFileSync(file, 'no certificate');
  return file;
}

async function portOf(answer: Parameters<typeof createServer>[1] & {}): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    answer(socket);
  }).listen(0, '127.0.0.1');
  servers.push(server.unref());
  await once(server, 'listening');
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
