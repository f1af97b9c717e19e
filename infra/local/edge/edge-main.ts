import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { tellOf } from '../../http/server.ts';
import { runProcess } from '../../process/lifecycle.ts';
import { createLog } from '../../process/log.ts';
import { readDemoWorld } from '../demo-world.ts';
import { startEdge } from './edge.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '4000' },
    'read-api': { type: 'string' },
    'write-api': { type: 'string' },
    'data-dir': { type: 'string' },
  },
});
const options = z
  .object({
    host: z.string(),
    port: z.coerce.number().int().min(0).max(65_535),
    'read-api': z.url(),
    'write-api': z.url(),
    'data-dir': z.string().optional(),
  })
  .parse(values);

const log = createLog({ process: 'edge', level: 'info' });
await runProcess(log, async (own) => {
  const { host, port, 'read-api': readApi, 'write-api': writeApi, 'data-dir': dataDir } = options;
  const spool = dataDir === undefined ? {} : { spoolDir: join(dataDir, 'spool') };
  own(
    await startEdge({ host, port, readApi, writeApi, home: () => demoOf(dataDir), onError: tellOf(log), ...spool }),
    (edge) => edge.close(),
  );
});

function demoOf(dataDir: string | undefined) {
  const world = dataDir === undefined ? undefined : readDemoWorld(dataDir);
  return world?.state === 'created' ? { demo: world.login } : {};
}
