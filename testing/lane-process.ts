import { startLaneProjector } from './lane-projector.ts';

// A projector of its own process, for tests that kill it: node testing/lane-process.ts <event store> <database> <redis>
// <now>
const [eventStore = '', database = '', redis = '', now = ''] = process.argv.slice(2);
await startLaneProjector({ eventStore, database, redis }, { now: () => new Date(now) });
console.log('ready');
