import { endOnSignal, startScript } from '../bench/child.ts';
import { openScratch } from './scratch.ts';

/**
 * A program for tests: a run of benchmarks that has started a server of its own; prints its directory and the server's
 * process id.
 */
const scratch = await openScratch('bench');
endOnSignal(scratch);
process.env['TEST_SCRATCH_DIR'] = scratch.directory;
const server = startScript(new URL('../bench/event-store/noop-server.child.ts', import.meta.url), []);
server.stdout.once('data', () => {
  console.log(JSON.stringify({ directory: scratch.directory, server: server.pid }));
});
setInterval(() => undefined, 60_000);
