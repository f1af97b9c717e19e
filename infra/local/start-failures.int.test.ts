import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, type TestAuthority } from '../../testing/certificates.ts';
import { openSecureFront, type SecureFront } from '../../testing/secure-front.ts';
import { startEventStoreNode, type EventStoreNode } from '../event-store-node/server.ts';
import { PROJECT_ROOT } from './apps.ts';
import { openChildRegistry, readChildNotes } from './processes/child-registry.ts';
import { createChildren } from './processes/children.ts';
import { planStorePorts } from './processes/port-plan.ts';
import { processStamp } from './processes/process-identity.ts';
import { ensureSecrets } from './secrets.ts';
import { planStores } from './stores/stores.ts';

// The program of `npm start` itself, on a directory whose PostgreSQL has been made, unless said otherwise.
const LIMIT_MS = 90_000;
let folder: string;
let dataDir: string;
let node: EventStoreNode;
let front: SecureFront;
let [ours, theirs]: TestAuthority[] = [];
const starts: Start[] = [];
const gates: Server[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'start-failures-'));
  dataDir = join(folder, 'data');
  const children = createChildren(dataDir, openChildRegistry(dataDir));
  const { secrets } = ensureSecrets(dataDir);
  const { postgres } = planStores({
    dataDir,
    children,
    secrets,
    env: {},
    ports: await planStorePorts(dataDir),
    print: () => undefined,
  });
  if ('start' in postgres) await postgres.start();
  await children.close();
  node = await startEventStoreNode({ dataDir: join(folder, 'log') });
  [ours, theirs] = await Promise.all([makeAuthority(folder, 'ours'), makeAuthority(folder, 'theirs')]);
  front = await openSecureFront({
    ...(await ours.issue(['localhost'])),
    target: node.port,
    credentials: 'shutterlog:right',
  });
});
afterEach(async () => {
  for (const { process: supervisor, seen } of starts.splice(0)) {
    supervisor.kill('SIGKILL');
    for (const pid of seen) if (processStamp(pid) !== undefined) process.kill(pid, 'SIGKILL');
  }
  for (const gate of gates.splice(0)) gate.close();
  await openChildRegistry(dataDir).endLeftovers();
});
afterAll(async () => {
  await front?.close();
  await node?.close();
  rmSync(folder, { recursive: true, force: true });
});

const wrongPassword = (port: number) => `esdb://shutterlog:wrong@localhost:${port}?tlsCaFile=${ours!.file}`;
const wrongAuthority = (port: number) => `esdb://shutterlog:right@localhost:${port}?tlsCaFile=${theirs!.file}`;

describe('a start whose event store cannot be used', () => {
  it.each<[string, () => string, string]>([
    ['wrong password', () => wrongPassword(front.port), 'does not accept the user shutterlog'],
    ['wrong authority', () => wrongAuthority(front.port), 'did not sign'],
    ['unknown host', () => 'esdb://no-such-host.invalid:2113', 'no-such-host.invalid'],
    ['closed port', () => 'esdb://127.0.0.1:1?tls=false', 'nobody listens on 127.0.0.1:1'],
  ])(
    'fails at once, and stops what it had begun: %s',
    async (_, url, reason) => {
      await failsWith(start({ EVENTSTORE_URL: url() }), reason);
    },
    LIMIT_MS,
  );

  it.each<[string, (port: number) => string, string]>([
    ['wrong password', wrongPassword, 'does not accept the user shutterlog'],
    ['wrong authority', wrongAuthority, 'did not sign'],
  ])(
    'fails and stops everything when that is found out while PostgreSQL and Redis come up: %s',
    async (_, url, reason) => {
      const gate = await openGate(front.port);
      const started = start({ EVENTSTORE_URL: url(gate.port) });
      await Promise.all([started.hasStarted('postgres'), started.hasStarted('redis')]);
      gate.open();
      await failsWith(started, reason);
    },
    LIMIT_MS,
  );
});

describe('an order to stop', () => {
  it.each([
    ['SIGTERM', 'initdb', 'in a new directory'],
    ['SIGINT', 'postgres', ''],
    ['SIGTERM', 'event-store', ''],
    ['SIGINT', 'projector', ''],
  ] as const)(
    'is obeyed while things come up: %s at the start of %s %s',
    async (signal, name, where) => {
      const started = start({}, where === '' ? dataDir : join(folder, 'new'));
      await started.hasStarted(name);
      started.process.kill(signal);
      expect(await started.ended).toBe(0);
      expect(started.alive()).toEqual([]);
      expect(started.lines.at(-1)).toContain('Stopped');
    },
    LIMIT_MS,
  );
});

async function failsWith(started: Start, reason: string): Promise<void> {
  expect(await started.ended).toBe(1);
  expect(started.alive()).toEqual([]);
  expect(started.lines.at(-1)).toMatch(/^EVENTSTORE_URL: /);
  expect(started.lines.at(-1)).toContain(reason);
  expect(started.lines.filter((line) => /^ {4}at |starting it again/.test(line))).toEqual([]);
}

type Start = {
  process: ChildProcess;
  lines: string[];
  ended: Promise<number | null>;
  /** Every child that was ever noted. */
  seen: Set<number>;
  alive(): number[];
  hasStarted(name: string): Promise<void>;
};

function start(env: Record<string, string>, directory = dataDir): Start {
  const ports = Object.fromEntries(
    ['PORT', 'WRITE_API_PORT', 'READ_API_PORT', 'PROJECTOR_PORT', 'REACTOR_PORT'].map((name) => [name, '0']),
  );
  const supervisor = spawn(process.execPath, ['infra/local/main.ts', '--empty', '--data-dir', directory], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...ports, ...env },
  });
  let text = '';
  for (const stream of [supervisor.stdout, supervisor.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const seen = new Set<number>();
  const names = new Set<string>();
  const look = () => {
    for (const { pid, name } of readChildNotes(directory)) {
      seen.add(pid);
      names.add(name);
    }
  };
  const looking = setInterval(look, 5);
  const ended = new Promise<number | null>((resolve) => {
    supervisor.once('close', (code) => {
      clearInterval(looking);
      resolve(code);
    });
  });
  const started: Start = {
    process: supervisor,
    ended,
    seen,
    get lines() {
      return text.trimEnd().split('\n');
    },
    alive: () => [...seen].filter((pid) => processStamp(pid) !== undefined),
    hasStarted: async (name) => {
      while (!names.has(name)) {
        if (supervisor.exitCode !== null) throw new Error(`ended before ${name} was started: ${text}`);
        await delay(5);
      }
    },
  };
  starts.push(started);
  return started;
}

/** A way to a port that lets nothing through before it is opened. */
async function openGate(target: number): Promise<{ port: number; open(): void }> {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const gate = createServer((client) => {
    client.on('error', () => undefined);
    void opened.then(() => {
      const server = connect(target, '127.0.0.1');
      server.on('error', () => {
        client.destroy();
      });
      server.on('close', () => {
        client.destroy();
      });
      client.on('close', () => {
        server.destroy();
      });
      client.pipe(server).pipe(client);
    });
  }).listen(0, '127.0.0.1');
  gates.push(gate.unref());
  await once(gate, 'listening');
  const address = gate.address();
  return { port: address !== null && typeof address === 'object' ? address.port : 0, open };
}
