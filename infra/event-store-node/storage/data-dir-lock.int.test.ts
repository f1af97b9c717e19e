import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataDirInUseError, DataDirLock } from './data-dir-lock.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'data-dir-lock-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('goes over to one who waits for it, and only to one', async () => {
  const held = await DataDirLock.take(directory);
  const waiting = Promise.allSettled([DataDirLock.take(directory), DataDirLock.take(directory)]);
  await held.release();
  const outcomes = await waiting;
  const taken = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  expect([taken.length, refused.length]).toEqual([1, 1]);
  expect(refused[0]).toBeInstanceOf(DataDirInUseError);
  expect(refused[0]).toMatchObject({ message: `the data directory ${directory} is in use by process ${process.pid}` });
  for (const lock of taken) await lock.release();
});
