import express from 'express';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../testing/projector-world.ts';
import { problemHandler, type Problem } from './problem.ts';
import { listen } from './server.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Line = { level: number; code?: string; count?: number; reason?: string; err?: object };

/** An app whose every request fails with `error`, and what it logs. */
async function failingApp(error: Error, known: Problem | undefined) {
  const lines: Line[] = [];
  const log = pino(
    {},
    {
      write: (line: string) => {
        lines.push(JSON.parse(line) as Line);
      },
    },
  );
  const app = express();
  app.use(() => {
    throw error;
  });
  app.use(problemHandler(log, () => known));
  const server = await listen(app, { port: 0, host: '127.0.0.1' });
  closing.push(() => server.close());
  const ask = () => fetch(`http://127.0.0.1:${String(server.port)}/v1/things`).then(({ status }) => status);
  return { lines, askOften: (times: number) => Promise.all(Array.from({ length: times }, ask)) };
}

const away = new Error('the reading of a stream: the event store went away', { cause: new Error('14 UNAVAILABLE') });

describe('requests that fail because a store is away', () => {
  it('share one line a second with their number and the reason, and no stack', async () => {
    const { lines, askOften } = await failingApp(away, { status: 503, code: 'unavailable' });
    expect(new Set(await askOften(300))).toEqual(new Set([503]));
    await eventually('all are told of', () => lines.reduce((sum, { count = 0 }) => sum + count, 0) === 300);
    expect(lines.length).toBeLessThan(30);
    for (const line of lines) {
      expect(line).toMatchObject({
        level: 40,
        code: 'unavailable',
        reason: 'the reading of a stream: the event store went away: 14 UNAVAILABLE',
      });
      expect(line.err).toBeUndefined();
    }
  });

  it('are errors where somebody has to do something', async () => {
    const { lines, askOften } = await failingApp(away, { status: 503, code: 'unavailable', alarm: true });
    await askOften(1);
    expect(lines).toEqual([expect.objectContaining({ level: 50, count: 1 })]);
  });
});

describe('requests that fail by our own fault', () => {
  it('are each logged with the stack', async () => {
    const { lines, askOften } = await failingApp(new Error('a defect'), undefined);
    await askOften(3);
    expect(lines).toHaveLength(3);
    for (const line of lines)
      expect(line).toMatchObject({
        level: 50,
        err: { message: 'a defect', stack: expect.stringContaining('problem.int.test') as unknown },
      });
  });
});
