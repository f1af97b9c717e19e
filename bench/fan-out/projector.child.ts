import { createInterface } from 'node:readline';
import { startLaneProjector } from '../../testing/lane-projector.ts';

// The projector of the fan-out benchmark: waits for a line, feeds all models and lanes, and says when it has begun.
const [eventStore = '', database = '', redis = ''] = process.argv.slice(2);
console.log('waiting://');
for await (const line of createInterface(process.stdin)) {
  if (line !== 'go') break;
  const projector = await startLaneProjector({ eventStore, database, redis }, { now: () => new Date(), group: 2_000 });
  console.log('feeding');
  process.once('SIGTERM', () => { void projector.close().then(() => process.exit(0)); });
}
