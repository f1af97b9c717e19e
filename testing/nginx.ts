import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../infra/local/stores/programs.ts';
import { freePort } from '../infra/local/processes/ports.ts';

export type NginxEdge = {
  port: number;
  tlsPort: number;
  /** What it wrote to its error log. */ log: () => string;
  close: () => Promise<void>;
};
export type NginxOptions = {
  /** Ports of the two APIs on this machine. */
  readApi: number;
  writeApi: number;
  /** The silence in a body that is waited for, in ms. */
  bodyTimeoutMs?: number;
};

const FOLDERS = ['/usr/sbin', '/usr/local/sbin'];
const START_LIMIT_MS = 10_000;

/**
 * Whether nginx is here. When it is not, a line says that its tests are skipped; under CI=true that is an error
 * instead.
 */
export function hasNginx(): boolean {
  if (findProgram('nginx', FOLDERS) !== undefined && findProgram('openssl') !== undefined) return true;
  const reason = 'nginx or openssl is not installed';
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return false;
}

/**
 * Starts the edge that `deploy/nginx/` ships, both of its servers, on free ports and before APIs of this machine.
 * Changed are addresses, folders and the patience; `resolve`, which asks for names again, is not known to nginx before
 * 1.27.
 */
export async function nginxForTests(options: NginxOptions): Promise<NginxEdge> {
  const program = findProgram('nginx', FOLDERS) ?? 'nginx';
  const home = mkdtempSync(join(tmpdir(), 'shutterlog-nginx-'));
  const [port, tlsPort, plainPort] = [await freePort(), await freePort(), await freePort()];
  await prepare(home, { ...options, port, tlsPort, plainPort });
  const child = spawn(program, ['-p', home, '-c', join(home, 'nginx-tls.conf'), '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const ended = once(child, 'exit');
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(home, { recursive: true, force: true });
  };
  const deadline = Date.now() + START_LIMIT_MS;
  while (
    !(await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode === null && Date.now() < deadline) continue;
    await close();
    throw new Error(`nginx does not start: ${said.join('')}`);
  }
  return { port, tlsPort, log: () => said.join(''), close };
}

type Places = NginxOptions & { port: number; tlsPort: number; plainPort: number };

async function prepare(
  home: string,
  { readApi, writeApi, bodyTimeoutMs = 15_000, port, tlsPort, plainPort }: Places,
): Promise<void> {
  cpSync('deploy/nginx', home, { recursive: true });
  for (const folder of ['tmp', 'public', 'certificate']) mkdirSync(join(home, folder), { mode: 0o777 });
  writeFileSync(join(home, 'public/index.html'), '<!doctype html><title>Shutterlog</title>');
  writeFileSync(join(home, 'public/openapi.json'), '{"openapi":"3.1.0"}');
  const pair = ['-keyout', join(home, 'certificate/privkey.pem'), '-out', join(home, 'certificate/fullchain.pem')];
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    ...pair,
  ]);
  change(home, 'nginx-tls.conf', [
    [/pid .*;/, `pid ${home}/nginx.pid;`],
    [/worker_processes .*;/, 'worker_processes 2;\nuser root;'],
  ]);
  if (process.getuid?.() !== 0) change(home, 'nginx-tls.conf', [['user root;', '']]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${home}/tmp/${kind};`,
  );
  change(home, 'http.conf', [
    ['client_body_timeout 15s;', `client_body_timeout ${bodyTimeoutMs}ms;\n${temporary.join('\n')}`],
  ]);
  change(home, 'upstreams.conf', [
    ['read-api:4002 resolve', `127.0.0.1:${readApi}`],
    ['write-api:4001 resolve', `127.0.0.1:${writeApi}`],
  ]);
  change(home, 'plain.conf', [['listen 4000', `listen 127.0.0.1:${port}`]]);
  change(home, 'tls.conf', [
    ['listen 8443', `listen 127.0.0.1:${tlsPort}`],
    ['listen 8080', `listen 127.0.0.1:${plainPort}`],
    [/\/etc\/edge-certificate/g, join(home, 'certificate')],
  ]);
  change(home, 'public.conf', [['/srv/edge', join(home, 'public')]]);
}

function change(home: string, name: string, changes: readonly (readonly [string | RegExp, string])[]): void {
  const path = join(home, name);
  let text = readFileSync(path, 'utf8');
  for (const [from, to] of changes) {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${name} does not hold ${String(from)}`);
    text = changed;
  }
  writeFileSync(path, text);
}
