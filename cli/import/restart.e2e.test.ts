import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { runCli } from '../../testing/cli.ts';
import { startStack, type TestStack } from '../../testing/stack.ts';
import { eventually } from '../../testing/projector-world.ts';

const PEOPLE = 25;

let stack: TestStack;
let directory: string;
beforeAll(async () => {
  stack = await startStack();
  directory = await mkdtemp(join(tmpdir(), 'shutterlog-import-'));
});
afterAll(async () => {
  await stack.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Everybody follows everybody else. */
function graphFile(): string {
  const file = join(directory, 'graph.txt');
  const edges = Array.from({ length: PEOPLE * PEOPLE }, (_, i) => [i % PEOPLE, Math.trunc(i / PEOPLE)]).filter(
    ([a, b]) => a !== b,
  );
  writeFileSync(file, edges.map((edge) => edge.join(' ')).join('\n'));
  return file;
}

/** Asks the log with a client of its own, which is gone when a server is killed. */
async function withStore<T>(work: (countOf: (type: string) => Promise<number>) => Promise<T>): Promise<T> {
  const store = await openEventStore(stack.environment['EVENTSTORE_URL'] ?? '');
  try {
    return await work(async (type) => {
      let count = 0;
      for await (const event of store.readAll()) if (event.type === type) count += 1;
      return count;
    });
  } finally {
    await store.close();
  }
}

describe('an import', () => {
  it('goes on where it was after the event store and the write API were killed and came back', async () => {
    const importing = runCli(stack.environment, ['import', '--graph', graphFile()]);
    let ended = '';
    void importing.then(({ code, out, err }) => {
      ended = `the import ended with ${String(code)}: ${out}${err}`;
    });
    for (const [part, follows] of [
      ['event-store', 50],
      ['write-api', 300],
    ] as const) {
      await withStore((countOf) =>
        eventually(`${String(follows)} follows`, async () => {
          const reached = (await countOf('AccountFollowed')) >= follows;
          if (!reached && ended !== '') throw new Error(ended);
          return reached;
        }),
      );
      await stack.kill(part);
      await stack.start(part);
    }
    expect(await importing).toMatchObject({ code: 0 });
    expect(
      await withStore(async (countOf) => [await countOf('AccountRegistered'), await countOf('AccountFollowed')]),
    ).toEqual([PEOPLE, PEOPLE * (PEOPLE - 1)]);
  });

  it('makes its follows while the read models are behind', async () => {
    await stack.end('projector');
    expect(await runCli(stack.environment, ['import', '--graph', graphFile(), '--prefix', 'late.'])).toMatchObject({
      code: 0,
    });
    expect(await withStore((countOf) => countOf('AccountFollowed'))).toBe(2 * PEOPLE * (PEOPLE - 1));
    await stack.start('projector');
  });
});
