import pg from 'pg';
import { openEventStore } from '../infra/event-store/event-store.ts';
import { createLog } from '../infra/process/log.ts';
import { openPool } from '../infra/postgres.ts';
import { codeVersions, postgresProjections } from '../projections/catalog.ts';
import { rebuild } from '../projections/rebuild/rebuild.ts';
import { Runner } from '../projections/runner/runner.ts';
import { Supervisor } from '../projections/runner/supervisor.ts';

// Projects or rebuilds in a process of its own, which kills itself at a chosen statement: before it is sent, or just
// after. Run as: node testing/projection-process.ts project|rebuild <databaseUrl> <eventStoreUrl> <statement>
// <before|after> [--verify] [--parallel <masterKey>]

const [mode, databaseUrl = '', eventStoreUrl = '', statement = '0', when] = process.argv.slice(2);
const fatal = Number(statement);
let sent = 0;
const die = () => {
  process.kill(process.pid, 'SIGKILL');
};

const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
Object.assign(pg.Client.prototype, {
  query(this: unknown, ...args: unknown[]) {
    sent += 1;
    if (sent === fatal && when === 'before') die();
    const answer = query.apply(this, args);
    // The statement is on its way: whether the server acts on it is open, as in a real crash.
    if (sent === fatal) setImmediate(die);
    return answer;
  },
});

const store = await openEventStore(eventStoreUrl);
const pool = openPool(databaseUrl, { size: 14, name: 'projection-process' });
const common = {
  pool,
  store,
  databaseUrl,
  log: createLog({ process: 'test', level: 'silent' }),
  keys: { forAccounts: async () => new Map() },
};

switch (mode) {
  case 'project': {
    const runner = new Runner({
      ...common,
      limits: { events: 20, bytes: 1e7 },
      attempts: 2,
      firstDelayMs: 1,
      onPoison: async () => 'stop',
    });
    await new Supervisor({ ...common, projections: postgresProjections, runner, intervalMs: 50 }).start();
    break;
  }
  case 'rebuild': {
    const masterKey = process.argv[process.argv.indexOf('--parallel') + 1] ?? '';
    const parallel = process.argv.includes('--parallel')
      ? { parallel: { threads: 3, databaseUrl, eventStoreUrl, masterKey } }
      : {};
    await rebuild(
      { ...common, ...parallel, versions: codeVersions, redis: () => Promise.reject(new Error('no Redis here')) },
      {
        projections: postgresProjections,
        onPoison: 'park',
        signal: new AbortController().signal,
        report: () => undefined,
        verify: process.argv.includes('--verify'),
      },
    );
    process.exit(0);
    break;
  }
  default:
    throw new Error(`unknown mode ${String(mode)}`);
}
