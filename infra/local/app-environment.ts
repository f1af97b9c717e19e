import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { APPS, type AppName } from './apps.ts';
import type { LocalSettings } from './options.ts';
import type { Ports } from './options.ts';
import type { Secrets } from './secrets.ts';

export type AppEnvironmentInput = Pick<LocalSettings, 'host' | 'publicUrl'> & {
  env: Record<string, string>;
  ports: Ports;
  dataDir: string;
  secrets: Pick<Secrets, 'MASTER_KEY' | 'JWT_SECRET'>;
  stores: { DATABASE_URL: string; REDIS_URL: string; EVENTSTORE_URL: string };
};

const ANY = ['0.0.0.0', '::'];

/**
 * Settings that a command needs as much as the processes do, so that both see the same stores, media and lines of
 * celebrity.
 */
const SHARED = [
  'DATABASE_READ_URL',
  'DATABASE_LISTEN_URL',
  'DATABASE_PREPARED',
  'KAFKA_BROKERS',
  'KAFKA_PREFIX',
  'S3_ENDPOINT',
  'S3_BUCKET',
  'S3_REGION',
  'CELEBRITY_THRESHOLD',
  'CELEBRITY_REVOKE_BELOW',
  'SUPER_CELEBRITY_THRESHOLD',
];

/**
 * The environment of the processes: `environment` is the whole of it, and `shared` the part that is written down for
 * commands, without secrets of its own.
 */
export function appEnvironment(input: AppEnvironmentInput): {
  environment: Record<string, string>;
  shared: Record<string, string>;
} {
  const { env, ports, host, dataDir, secrets, stores } = input;
  const provided: Record<string, string> = {
    ...stores,
    ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
    HOST: host,
    TRUSTED_PROXIES: env['TRUSTED_PROXIES'] ?? ownAddresses(host),
    PUBLIC_URL: input.publicUrl ?? appUrls(ports, host).edge,
    MEDIA_DIR: resolve(env['MEDIA_DIR'] ?? join(dataDir, 'media')),
  };
  const passedOn = Object.fromEntries(Object.entries(env).filter(([name]) => SHARED.includes(name)));
  return {
    environment: { MASTER_KEY: secrets.MASTER_KEY, JWT_SECRET: secrets.JWT_SECRET, ...env, ...provided },
    shared: { ...passedOn, ...provided },
  };
}

/** Where the edge's connections to the APIs come from: from the address that they listen on, where it is one. */
function ownAddresses(host: string): string {
  return isIP(host) === 0 || ANY.includes(host) ? 'loopback' : `loopback,${host}`;
}

/** Where each process answers, seen from this machine. */
export function appUrls(ports: Ports, host: string): Record<AppName, string> {
  const reachable = ANY.includes(host) ? '127.0.0.1' : host;
  const urlOf = (name: AppName) =>
    `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${ports[APPS[name].port]}`;
  return {
    'write-api': urlOf('write-api'),
    'read-api': urlOf('read-api'),
    projector: urlOf('projector'),
    reactor: urlOf('reactor'),
    edge: urlOf('edge'),
  };
}

/** The arguments of the edge: where it listens, whom it forwards to, and whose demo login it shows. */
export function edgeArgs({ host, ports, dataDir }: { host: string; ports: Ports; dataDir: string }): string[] {
  const urls = appUrls(ports, host);
  return [
    '--host',
    host,
    '--port',
    String(ports.PORT),
    '--read-api',
    urls['read-api'],
    '--write-api',
    urls['write-api'],
    '--data-dir',
    dataDir,
  ];
}
