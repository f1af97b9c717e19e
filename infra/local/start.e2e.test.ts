import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { send, textAt } from '../../testing/http.ts';
import { readAddresses, type Addresses } from './addresses.ts';
import { PROJECT_ROOT } from './apps.ts';
import { openChildRegistry } from './processes/child-registry.ts';
import { freePort } from './processes/ports.ts';
import { readSecrets } from './secrets.ts';
import { processStamp } from './processes/process-identity.ts';

let dataDir = '';
let supervisors: ChildProcess[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(process.env['TEST_SCRATCH_DIR'] ?? tmpdir(), 'start-'));
});
afterEach(async () => {
  for (const supervisor of supervisors) supervisor.kill('SIGKILL');
  supervisors = [];
  await openChildRegistry(dataDir).endLeftovers();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('npm start', () => {
  it('serves an account through the edge; a kill of the supervisor ends everything cleanly, and the next start still knows the account', async () => {
    const first = await start();
    const registered = await send(`${first.addresses.edgeUrl}/v1/users/register`, { json: account });
    expect(registered.status).toBe(201);
    await killSupervisor(first);

    const second = await start();
    expect(second.lines.filter((line) => line.startsWith('Ended what an earlier run had left behind'))).toEqual([]);
    expect(readFileSync(join(dataDir, 'logs', 'postgres.log'), 'utf8')).not.toMatch(
      /interrupted|not properly shut down/,
    );
    const login = await send(`${second.addresses.edgeUrl}/v1/users/login`, {
      json: { username: account.username, password: account.password },
    });
    expect(login.status).toBe(200);
    const profile = await send(`${second.addresses.edgeUrl}/v1/users/${account.username}`, {
      token: textAt(login, 'access_token'),
    });
    expect(profile.body).toMatchObject({ username: account.username, full_name: account.full_name });
  });

  it('makes a small world the first time, says how far it is, and lets its demo account in', async () => {
    const { process: supervisor, ended, lines, addresses } = await start({ args: [] });
    expect(lines.filter((line) => /^ {2}demo world +\d+ %$/.test(line)).length).toBeGreaterThan(0);
    const [, username, password] =
      lines.map((line) => /Demo login +(\S+) \/ (\S+)/.exec(line)).find((found) => found !== null) ?? [];
    const login = await send(`${addresses.edgeUrl}/v1/users/login`, { json: { username, password } });
    const feed = await send(`${addresses.edgeUrl}/v1/feed?order=latest`, { token: textAt(login, 'access_token') });
    expect(feed.body).toMatchObject({
      posts: Array.from({ length: 20 }, () => ({ media: [{ type: 'image' }] })),
      pagination: { has_more: true },
    });
    const tour = await takeTour(addresses.edgeUrl);
    for (const said of [
      '"status":"following"',
      '"status":"ready"',
      '"caption":"First light #morning"',
      '"liked":true',
      '"text":"What a light."',
    ])
      expect(tour).toContain(said);
    supervisor.kill('SIGINT');
    await ended;
  });

  it('leaves a machine that doctor finds healthy', async () => {
    const { addresses } = await start();
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['cli/main.ts', '--data-dir', dataDir, 'doctor', '--json'],
      { cwd: PROJECT_ROOT, env: { PATH: process.env['PATH'] } },
    );
    const findings = z
      .array(z.object({ check: z.string(), ok: z.boolean(), warning: z.boolean().optional() }))
      .parse(JSON.parse(stdout));
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['event store', 'postgresql', 'redis', 'ffmpeg', 'write-api']),
    );
    // Where ffmpeg cannot be had, that is a warning.
    expect(findings.filter(({ check, ok, warning }) => !ok || (warning === true && check !== 'ffmpeg'))).toEqual([]);
    expect((await send(`${addresses.edgeUrl}/health/ready`)).status).toBe(200);
  });

  it('says in one line which server of the environment is away, starts nothing and fails', async () => {
    const started = start({ env: { KAFKA_BROKERS: '127.0.0.1:1' } });
    await expect(started).rejects.toThrow(/^KAFKA_BROKERS: Kafka does not answer there: .+$/m);
    expect(supervisors[0]?.exitCode).toBe(1);
    await expect(started).rejects.not.toThrow(/write-api|\n {4}at /);
  });

  it('stops all its processes on SIGINT, takes its addresses away and ends with 0', async () => {
    const { process: supervisor, ended, lines } = await start();
    const running = children();
    expect(running.map(({ name }) => name).toSorted()).toEqual([
      'edge',
      'event-store',
      'guard',
      'postgres',
      'projector',
      'reactor',
      'read-api',
      'redis',
      'write-api',
    ]);
    supervisor.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(running.filter(({ pid }) => processStamp(pid) !== undefined)).toEqual([]);
    expect(readAddresses(dataDir)).toBeUndefined();
    expect(lines.at(-1)).toContain('the data stays in');
  });

  it('begins with a restored archive in another directory, on the ports of a start whose supervisor was killed, under no other master key', async () => {
    const ports = await freePorts();
    const first = await start({ env: ports });
    expect((await send(`${first.addresses.edgeUrl}/v1/users/register`, { json: account })).status).toBe(201);
    const archive = join(dataDir, 'archive');
    await promisify(execFile)(process.execPath, ['cli/main.ts', '--data-dir', dataDir, 'events', 'export', archive], {
      cwd: PROJECT_ROOT,
      env: { PATH: process.env['PATH'] },
    });
    const masterKey = readSecrets(dataDir)?.MASTER_KEY ?? '';
    await killSupervisor(first);

    const args = ['--restore', archive];
    await expect(start({ dir: join(dataDir, 'refused'), args, env: ports })).rejects.toThrow(
      'MASTER_KEY does not open this vault',
    );
    const second = await start({ dir: join(dataDir, 'restored'), args, env: { ...ports, MASTER_KEY: masterKey } });
    const login = await send(`${second.addresses.edgeUrl}/v1/users/login`, {
      json: { username: account.username, password: account.password },
    });
    expect(login.status).toBe(200);
    const profile = () =>
      send(`${second.addresses.edgeUrl}/v1/users/${account.username}`, { token: textAt(login, 'access_token') });
    await expect
      .poll(async () => (await profile()).body, { timeout: 30_000 })
      .toMatchObject({ full_name: account.full_name });
    second.process.kill('SIGINT');
    await second.ended;
  });

  it('starts a crashed process again while the others go on', async () => {
    const { addresses, lines } = await start();
    const victim = children().find(({ name }) => name === 'read-api');
    process.kill(victim!.pid, 'SIGKILL');
    await expect.poll(() => lines, { timeout: 60_000 }).toContain('read-api is back');
    expect((await send(`${addresses.edgeUrl}/health/ready`)).status).toBe(200);
  });
});

/** The requests of the README, word for word but for the address, as far as the commands that look behind them. */
async function takeTour(edgeUrl: string): Promise<string> {
  const [, script = ''] =
    /## Five minutes with curl[^]*?```sh\n([^]*?)# 5\./.exec(readFileSync(join(PROJECT_ROOT, 'README.md'), 'utf8')) ??
    [];
  const { stdout } = await promisify(execFile)('bash', ['-euc', script.replaceAll('http://127.0.0.1:4000', edgeUrl)], {
    cwd: dataDir,
    timeout: 120_000,
  });
  return stdout;
}

const account = {
  username: 'first.light',
  email: 'first.light@example.org',
  password: 'a long enough password',
  full_name: 'First Light',
};

const Children = z.array(z.object({ name: z.string(), pid: z.number() }));
const children = () => Children.parse(JSON.parse(readFileSync(join(dataDir, 'children.json'), 'utf8')));

type Start = { dir?: string; args?: string[]; env?: Record<string, string> };

async function start({ dir = dataDir, args = ['--empty'], env = {} }: Start = {}): Promise<{
  process: ChildProcess;
  lines: string[];
  addresses: Addresses;
  ended: Promise<number | null>;
}> {
  const supervisor = spawn(process.execPath, ['infra/local/main.ts', ...args, '--data-dir', dir], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...(await environment()), ...env },
  });
  supervisors.push(supervisor);
  const lines: string[] = [];
  const ended = new Promise<number | null>((resolve) => {
    supervisor.once('close', resolve);
  });
  await new Promise<void>((resolve, reject) => {
    for (const stream of [supervisor.stdout, supervisor.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (line === 'Ctrl-C stops everything') resolve();
      });
    }
    void ended.then(() => {
      reject(new Error(lines.join('\n')));
    });
  });
  const addresses = readAddresses(dir);
  if (addresses === undefined) throw new Error(`no addresses in ${dir}`);
  return { process: supervisor, lines, addresses, ended };
}

/** Kills a supervisor and resolves once all that it had started has ended by itself. */
async function killSupervisor({ process: supervisor, ended }: Awaited<ReturnType<typeof start>>): Promise<void> {
  const before = children();
  supervisor.kill('SIGKILL');
  await ended;
  await expect
    .poll(() => before.filter(({ pid }) => processStamp(pid) !== undefined).map(({ name }) => name), {
      timeout: 60_000,
    })
    .toEqual([]);
}

async function environment(): Promise<Record<string, string | undefined>> {
  return { PATH: process.env['PATH'], HOME: process.env['HOME'], ...(await freePorts()) };
}

async function freePorts(): Promise<Record<string, string>> {
  const names = ['PORT', 'WRITE_API_PORT', 'READ_API_PORT', 'PROJECTOR_PORT', 'REACTOR_PORT'];
  const ports: Record<string, string> = {};
  for (const name of names) ports[name] = String(await freePort());
  return ports;
}
