import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WriteAheadLog } from './write-ahead-log.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'write-ahead-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const group = (content: string): Buffer[] => [Buffer.from(content)];

it('never gives a write that a crash cut off from those before it, even once the gap is filled', async () => {
  const first = await WriteAheadLog.open(directory);
  await first.log.clear();
  await Promise.all([first.log.write(group('aaaa'), 256, 260), first.log.write(group('bbbb'), 260, 264)]);
  await first.log.close();
  const file = await open(join(directory, 'write-ahead-0'), 'r+');
  await file.write(Buffer.alloc(4), 0, 4, 0);
  await file.close();

  const second = await WriteAheadLog.open(directory);
  expect(second.frames).toEqual([]);
  await second.log.clear();
  await second.log.write(group('cccc'), 256, 260);
  await second.log.close();

  const third = await WriteAheadLog.open(directory);
  expect(third.frames.map(({ start, payload }) => [start, payload.toString()])).toEqual([[256, 'cccc']]);
  await third.log.close();
});

it('gives the writes of both files in their order', async () => {
  const { log } = await WriteAheadLog.open(directory);
  await log.clear();
  const large = Buffer.alloc(5 * 1024 * 1024, 'x').toString();
  let at = 256;
  for (const content of ['one', large, large, 'two', 'three']) {
    await log.write(group(content), at, at + content.length);
    at += content.length;
  }
  await log.close();
  const again = await WriteAheadLog.open(directory);
  expect(again.frames.map(({ payload }) => payload.length)).toEqual([3, large.length, large.length, 3, 5]);
  await again.log.close();
});

it('rejects every write after one that failed', async () => {
  const { log } = await WriteAheadLog.open(directory);
  await log.close();
  await expect(log.write(group('lost'), 256, 260)).rejects.toThrow();
  await expect(log.write(group('later'), 260, 265)).rejects.toThrow();
  await expect(log.written()).rejects.toThrow();
});
