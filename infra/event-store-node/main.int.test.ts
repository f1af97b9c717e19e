import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEventStoreNode } from './server.ts';
import { runNodeProcess, startNodeProcess, startUnwatchedNodeProcess } from './testing/node-process.ts';
import { collect, numbered } from './testing/test-node.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'event-store-main-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const oneLine = (text: RegExp) => expect.stringMatching(new RegExp(`^event store: .*${text.source}.*\\n$`)) as unknown;

describe('the event store process', () => {
  it('serves, stops cleanly when asked to, and has its events again', async () => {
    const args = ['--data-dir', join(directory, 'new', 'store'), '--port', '0'];
    for (const [round, signal] of (['SIGTERM', 'SIGINT'] as const).entries()) {
      const node = await startNodeProcess(args);
      const client = EventStoreDBClient.connectionString(node.url);
      await client.appendToStream('stream', numbered(2));
      expect(await collect(client.readStream('stream'))).toHaveLength(2 + 2 * round);
      await client.dispose();
      expect(await node.stop(signal)).toBe(0);
    }
  });

  it('explains itself', async () => {
    const { exitCode, stdout, stderr } = await runNodeProcess(['--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const option of ['--port', '--data-dir', '--host']) expect(stdout).toContain(option);
  });

  it.each([
    ['an unknown flag', ['--colour', 'red'], /--colour/],
    ['a port that is no number', ['--port', 'many'], /--port/],
    ['a port that does not exist', ['--port', '65536'], /--port/],
    ['an argument too many', ['there'], /there/],
  ])('refuses %s with exit code 2 and one line', async (_case, args, message) => {
    expect(await runNodeProcess(args)).toEqual({ exitCode: 2, stdout: '', stderr: oneLine(message) });
  });

  it('refuses a taken port with exit code 1 and one line', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const ended = await runNodeProcess(['--data-dir', join(directory, 'port'), '--port', String(port)]);
    expect(ended).toEqual({ exitCode: 1, stdout: '', stderr: oneLine(new RegExp(`port ${port} .* taken`)) });
    taken.close();
  });

  it('refuses a directory that it cannot write or that is none', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    for (const dataDir of [file, join(file, 'below'), '/proc/event-store']) {
      const ended = await runNodeProcess(['--data-dir', dataDir, '--port', '0']);
      expect(ended).toEqual({ exitCode: 1, stdout: '', stderr: oneLine(/(cannot be written|is not a directory)/) });
    }
  });
});

describe('a data directory', () => {
  it('is refused to a second process, and free again after a kill', async () => {
    const args = ['--data-dir', join(directory, 'shared'), '--port', '0'];
    const first = await startNodeProcess(args);
    const second = await runNodeProcess(args);
    expect(second).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: oneLine(new RegExp(`in use by process ${first.process.pid}`)),
    });
    await first.stop('SIGKILL');
    const third = await startNodeProcess(args);
    expect(await third.stop('SIGTERM')).toBe(0);
  });

  it('is free at once when its process was killed, although nobody has taken note of the end', async () => {
    const args = ['--data-dir', join(directory, 'zombie'), '--port', '0'];
    const orphaned = await startUnwatchedNodeProcess(args);
    process.kill(orphaned.pid, 'SIGKILL');
    const next = await startNodeProcess(args);
    expect(() => process.kill(orphaned.pid, 0)).not.toThrow();
    expect(await next.stop('SIGTERM')).toBe(0);
    await orphaned.end();
  });

  it('is refused to a second node of the same process, and free again after a close', async () => {
    const dataDir = join(directory, 'inside');
    const node = await startEventStoreNode({ dataDir });
    await expect(startEventStoreNode({ dataDir })).rejects.toThrow(/in use by process/);
    await node.close();
    const again = await startEventStoreNode({ dataDir });
    await again.close();
  });

  it('is free again after a start that failed', async () => {
    const dataDir = join(directory, 'failed');
    const node = await startEventStoreNode({ dataDir: join(directory, 'other') });
    await expect(startEventStoreNode({ dataDir, port: node.port })).rejects.toThrow(/EADDRINUSE/);
    await node.close();
    const again = await startEventStoreNode({ dataDir });
    await again.close();
  });
});
