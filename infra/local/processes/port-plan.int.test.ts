import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { planAppPorts, planStorePorts } from './port-plan.ts';
import { freePort } from './ports.ts';
import { StartError } from '../start-error.ts';

const servers: Server[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of servers.splice(0))
    await new Promise((resolve) => {
      server.close(resolve);
    });
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('ports of the processes', () => {
  it('are refused in one line that names the holder and the way out when a stranger has one', async () => {
    const taken = await stranger();
    const failure = await planAppPorts({ ...anyPorts, READ_API_PORT: taken }, '127.0.0.1').catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(StartError);
    expect(String(failure)).toMatch(
      new RegExp(`port ${taken} \\(READ_API_PORT\\) is taken by .+ \\(process ${process.pid}\\): .*set READ_API_PORT`),
    );
    expect(String(failure)).not.toContain('\n');
  });

  it('are refused when a stranger holds one on all interfaces only', async () => {
    const taken = await stranger('0.0.0.0');
    await expect(planAppPorts({ ...anyPorts, PORT: taken }, '127.0.0.1')).rejects.toThrow(
      `port ${taken} (PORT) is taken`,
    );
  });

  it('are refused when two processes were given the same one', async () => {
    const port = await freePort();
    await expect(planAppPorts({ ...anyPorts, PORT: port, REACTOR_PORT: port }, '127.0.0.1')).rejects.toThrow(
      `PORT and REACTOR_PORT are both ${port}`,
    );
  });

  it('are chosen when the environment says 0', async () => {
    const planned = await planAppPorts(anyPorts, '127.0.0.1');
    expect(Math.min(...Object.values(planned))).toBeGreaterThan(0);
  });
});

describe('ports of the stores', () => {
  it('stay the same while they are free, and give way to a stranger', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'shutterlog-ports-'));
    folders.push(dataDir);
    const first = await planStorePorts(dataDir);
    expect(await planStorePorts(dataDir)).toEqual(first);
    await stranger('127.0.0.1', first.redis);
    const moved = await planStorePorts(dataDir);
    expect(moved.redis).not.toBe(first.redis);
    expect(moved.postgres).toBe(first.postgres);
  });
});

const anyPorts = { PORT: 0, WRITE_API_PORT: 0, READ_API_PORT: 0, PROJECTOR_PORT: 0, REACTOR_PORT: 0 };

async function stranger(host = '127.0.0.1', port = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(port, host, resolve);
  });
  servers.push(server);
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
