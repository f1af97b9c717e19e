import { parentPort, workerData } from 'node:worker_threads';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { openPool } from '../../infra/postgres.ts';
import { openVault } from '../../infra/vault/vault.ts';
import { applyShare, shareOf, type Fed } from '../runner/apply-batch.ts';
import { listBuilds } from '../builds/build-store.ts';
import { unreachable } from '../models/batch.ts';
import { postgresProjections } from '../catalog.ts';
import { describe } from '../failures.ts';
import { takeIn, type Batch } from '../runner/decoding.ts';
import { RANGE_EVENTS, ReplayTask, ToReplayThread, type FromReplayThread } from './replay-protocol.ts';

// A thread of a parallel replay: reads, opens and parses ranges of the log on its own core, and applies each to a build
// when it is told that everything before it is there. It ends with the process that started it, or when it is
// terminated.
const CONNECTIONS = 6;

const task = ReplayTask.parse(workerData);
const pool = openPool(task.databaseUrl, {
  size: CONNECTIONS,
  name: 'shutterlog-replay',
  statementTimeoutMs: 600_000,
  synchronousCommit: false,
});
const { keys } = await openVault({ pool, masterKey: task.masterKey });
const store = await openEventStore(task.eventStoreUrl);
const builds = await listBuilds(pool);
const fed = new Map(
  task.builds.map(({ id, until }): [number, Fed] => {
    const build = builds.find((one) => one.id === id);
    const projection = postgresProjections.find(({ name }) => name === build?.projection);
    if (build === undefined || projection === undefined)
      throw new Error(`this program cannot fill build ${String(id)}`);
    return [
      id,
      {
        build: { ...build, untilPosition: until ?? undefined },
        projection,
        handled: new Set<string>(projection.handles),
        position: START_OF_LOG,
        events: 0,
      },
    ];
  }),
);
const handled = new Set<string>([...fed.values()].flatMap(({ projection }) => projection.handles));
const ranges = new Map<number, Batch>();

const say = (message: FromReplayThread) => {
  parentPort?.postMessage(message);
};

parentPort?.on('message', (raw: unknown) => {
  obey(ToReplayThread.parse(raw)).catch((error: unknown) => {
    say({ kind: 'failed', message: describe(error) });
  });
});

async function obey(order: ToReplayThread): Promise<void> {
  switch (order.kind) {
    case 'range': {
      const [first, ...others] = await store.readRange({ ...order, about: RANGE_EVENTS, wanted: handled });
      ranges.set(
        order.index,
        first === undefined ? { events: [], last: order.after } : await takeIn([first, ...others], handled, keys),
      );
      return say({ kind: 'ready', index: order.index });
    }
    case 'turn':
      return say({ kind: 'done', index: order.index, buildId: order.buildId, ...(await applyRange(order)) });
    case 'forget': {
      ranges.delete(order.index);
      return undefined;
    }
    default:
      return unreachable(order);
  }
}

async function applyRange({
  index,
  buildId,
  position,
  events,
}: Extract<ToReplayThread, { kind: 'turn' }>): Promise<{ position: Position; events: number }> {
  const target = fed.get(buildId);
  const batch = ranges.get(index);
  if (target === undefined || batch === undefined)
    throw new Error(`range ${String(index)} of build ${String(buildId)} is not here`);
  target.position = position;
  target.events = events;
  const share = shareOf(target, batch);
  if (share !== undefined) await applyShare(pool, target, share);
  return { position: target.position, events: target.events };
}
