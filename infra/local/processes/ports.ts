import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename } from 'node:path';

/** True when this process could listen on the port, on the given interface and on all of them. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return (await canListen(port, host)) && (await canListen(port, '0.0.0.0'));
}

// Below the range from which systems take ports for outgoing connections (32768 and up on Linux): one of those could
// occupy a port between our choosing it and a server's listening on it.
const LOWEST = 20_000;
const HIGHEST = 31_999;
const ATTEMPTS = 200;

/** The preferred port when it is free, otherwise a free one at random. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isPortFree(preferred))) return preferred;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST} after ${ATTEMPTS} attempts`);
}

/** Who listens on a port, as `name (process 123)`, or undefined when the system does not tell. */
export function portHolder(port: number): string | undefined {
  const pid = process.platform === 'linux' ? linuxHolder(port) : lsofHolder(port);
  if (pid === undefined) return undefined;
  return `${commandOf(pid)} (process ${pid})`;
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host, exclusive: true }, () =>
      server.close(() => {
        resolve(true);
      }),
    );
  });
}

const LISTENING = '0A';

function linuxHolder(port: number): number | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((table) => lines(table))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hexPort}`) === true && fields[3] === LISTENING)
    .map((fields) => `socket:[${fields[9] ?? ''}]`);
  return list('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .find((pid) => list(`/proc/${pid}/fd`).some((fd) => inodes.includes(link(`/proc/${pid}/fd/${fd}`))));
}

function lsofHolder(port: number): number | undefined {
  const { status, stdout } = spawnSync('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t'], { encoding: 'utf8' });
  return status === 0 ? Number(stdout.split('\n')[0]) : undefined;
}

// The program and its first argument (a script, for an interpreter); further ones may carry secrets.
function commandOf(pid: number): string {
  const [program = 'a program', script = '-'] = argumentsOf(pid);
  return script.startsWith('-') ? basename(program) : `${basename(program)} ${script}`;
}

function argumentsOf(pid: number): string[] {
  const known =
    lines(`/proc/${pid}/cmdline`)[0]?.split('\0') ??
    spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
      .stdout?.trim()
      .split(/\s+/) ??
    [];
  return known.filter((part) => part !== '');
}

// Processes come and go, and other users' are closed to us: what cannot be read holds nothing that we can name.
function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
