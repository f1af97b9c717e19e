import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js';
import { readFileSync } from 'node:fs';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { resolve as resolvePath } from 'node:path';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';

/** Why no client can work with an event store: what was found, and what to do about it. The message says both. */
export class EventStoreUnusableError extends Error {
  override readonly name = 'EventStoreUnusableError';
  readonly finding: string;
  readonly advice: string;
  constructor(finding: string, advice: string) {
    super(`${finding}: ${advice}`);
    this.finding = finding;
    this.advice = advice;
  }
}

type Authority = { readonly file: string; readonly certificate: Buffer };
type Host = {
  readonly host: string;
  readonly port: number;
  readonly shown: string;
  readonly authority: Authority | undefined;
};

const STEP_LIMIT_MS = 3_000;
/** The beginning of every HTTP/2 connection, with an empty SETTINGS frame; a server answers with one of its own. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const [FRAME_TYPE, SETTINGS] = [3, 4];
const UNTRUSTED: readonly string[] = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
];

/**
 * Looks at an address of an event store as far as a client cannot tell the reasons of a failure apart: the authority's
 * file, the name, the port, TLS and the certificate. Resolves when at least one of its hosts can be talked to, within
 * seconds; rejects with EventStoreUnusableError about the first one otherwise.
 */
export async function probeEventStore(url: string): Promise<void> {
  const { hosts, tls, tlsCAFile } = parse(url);
  const authority = tls === false || tlsCAFile === undefined ? undefined : readAuthority(tlsCAFile);
  const results = await Promise.allSettled(
    hosts.map(({ address, port }) => {
      const host: Host = { host: address, port, shown: `${address}:${port}`, authority };
      return tls === false ? probePlain(host) : probeTls(host);
    }),
  );
  const failures = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []));
  if (failures.length === results.length) throw failures[0];
}

function parse(url: string) {
  try {
    return parseConnectionString(url);
  } catch (error) {
    throw new EventStoreUnusableError(
      `the address cannot be read (${messageOf(error)})`,
      'write it as esdb://user:password@host:2113?tlsCaFile=PATH, with special characters percent-encoded',
    );
  }
}

function readAuthority(file: string): Authority {
  const path = resolvePath(file);
  let certificate: Buffer;
  try {
    certificate = readFileSync(path);
  } catch (error) {
    throw new EventStoreUnusableError(
      `the file of tlsCaFile, ${path}, cannot be read (${codeOf(error)})`,
      'put the certificate of the authority that signed those of the servers there, or correct the path',
    );
  }
  if (!certificate.includes('-----BEGIN CERTIFICATE-----'))
    throw new EventStoreUnusableError(
      `the file of tlsCaFile, ${path}, holds no certificate`,
      'it has to be the certificate of the authority, in PEM format',
    );
  return { file: path, certificate };
}

async function probeTls(host: Host): Promise<void> {
  let socket: TLSSocket;
  try {
    socket = await shakeHands(host);
  } catch (error) {
    explainConnecting(host, error);
    if (await speaksPlainHttp2(host))
      throw new EventStoreUnusableError(
        `${host.shown} speaks without TLS`,
        'give the server a certificate, or, inside a network that you trust, add tls=false to the address',
      );
    throw noEventStore(host);
  }
  try {
    judge(host, socket);
  } finally {
    socket.destroy();
  }
}

async function probePlain(host: Host): Promise<void> {
  try {
    (await connected(host)).destroy();
  } catch (error) {
    explainConnecting(host, error);
  }
  if (await speaksPlainHttp2(host)) return;
  const secure = await shakeHands(host).catch((error: unknown) => {
    explainConnecting(host, error);
  });
  if (secure !== undefined) {
    secure.destroy();
    throw new EventStoreUnusableError(
      `${host.shown} speaks TLS`,
      'leave tls=false out of the address, and name the certificate of its authority with tlsCaFile=PATH',
    );
  }
  throw noEventStore(host);
}

function judge(host: Host, socket: TLSSocket): void {
  // Typed as an Error, it is the code of one.
  if (!socket.authorized)
    throw refusedCertificate(host, String(socket.authorizationError), socket.getPeerCertificate());
  if (socket.alpnProtocol !== 'h2') throw noEventStore(host);
}

function refusedCertificate(
  host: Host,
  code: string,
  { subjectaltname: names, issuer, valid_from: from, valid_to: to }: PeerCertificate,
): EventStoreUnusableError {
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return new EventStoreUnusableError(
        `the certificate of ${host.shown} is for other names (${names ?? 'none'})`,
        `use one of these in the address, or have one made that names ${host.host}`,
      );
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return new EventStoreUnusableError(
        `the certificate of ${host.shown} is valid from ${from} to ${to}`,
        'renew it, or correct the clock of this machine',
      );
    default:
      if (UNTRUSTED.includes(code)) return untrusted(host, String(issuer.CN ?? issuer.O));
      return new EventStoreUnusableError(
        `the certificate of ${host.shown} is not accepted (${code})`,
        'have a proper one made for the server',
      );
  }
}

function untrusted({ shown, authority }: Host, issuer: string): EventStoreUnusableError {
  if (authority === undefined)
    return new EventStoreUnusableError(
      `${shown} shows a certificate of an authority that this machine does not know (${issuer})`,
      'name the certificate of that authority with tlsCaFile=PATH in the address',
    );
  return new EventStoreUnusableError(
    `${shown} shows a certificate of ${issuer}, which the authority in ${authority.file} did not sign`,
    'let tlsCaFile name the certificate of the authority that the servers use',
  );
}

function noEventStore({ shown }: Host): EventStoreUnusableError {
  return new EventStoreUnusableError(
    `what answers on ${shown} is no event store`,
    'correct the host and the port of the address (an EventStoreDB listens on 2113)',
  );
}

/** Throws what a failure to connect means; returns when somebody answered who does not speak as expected. */
function explainConnecting({ host, shown }: Host, error: unknown): void {
  switch (codeOf(error)) {
    case 'ENOTFOUND':
      throw new EventStoreUnusableError(
        `no machine is called ${host}`,
        'correct the name in the address, or enter it in the DNS',
      );
    case 'EAI_AGAIN':
      throw new EventStoreUnusableError(
        `the name ${host} cannot be looked up at present`,
        'see whether the DNS of this machine works',
      );
    case 'ECONNREFUSED':
      throw new EventStoreUnusableError(
        `nobody listens on ${shown}`,
        'start the event store there, or correct the port of the address',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      throw new EventStoreUnusableError(
        `${shown} cannot be reached (${codeOf(error)})`,
        'see whether the machine is up, and whether a firewall lets this one through',
      );
    case 'SILENT':
      throw new EventStoreUnusableError(
        `${shown} takes connections and says nothing`,
        'look at the server there: it is frozen, overloaded, or no event store',
      );
    default:
  }
}

function connected({ host, port }: Host): Promise<Socket> {
  const socket = connectPlain({ host, port });
  return settled(socket, 'connect', 'ETIMEDOUT').then(() => socket);
}

async function shakeHands(host: Host): Promise<TLSSocket> {
  const plain = await connected(host);
  const socket = connectTls({
    socket: plain,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
    host: host.host,
    ...(isIP(host.host) === 0 ? { servername: host.host } : {}),
    ...(host.authority === undefined ? {} : { ca: host.authority.certificate }),
  });
  plain.once('close', () => {
    socket.destroy(new Error('the connection was closed'));
  });
  await settled(socket, 'secureConnect', 'SILENT');
  return socket;
}

async function speaksPlainHttp2(host: Host): Promise<boolean> {
  try {
    const socket = await connected(host);
    socket.write(PREFACE);
    const first: unknown = await settled(socket, 'data', 'SILENT');
    socket.destroy();
    return Buffer.isBuffer(first) && first[FRAME_TYPE] === SETTINGS;
  } catch {
    return false;
  }
}

/**
 * Resolves with what the socket's event brings; rejects, and ends the socket, when it fails, closes or takes too long
 * (`late` is the error's code then).
 */
function settled(socket: Socket, event: string, late: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(limit);
      socket.destroy();
      reject(error);
    };
    const limit = setTimeout(() => {
      fail(Object.assign(new Error('no answer'), { code: late }));
    }, STEP_LIMIT_MS);
    socket.on('error', fail);
    socket.once('close', () => {
      fail(new Error('the connection was closed'));
    });
    socket.once(event, (value: unknown) => {
      clearTimeout(limit);
      resolve(value);
    });
  });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
}
