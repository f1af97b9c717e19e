import { groupFeed, testKafka } from './kafka.ts';
import { startLaneProjector } from './lane-projector.ts';

// A projector of its own process that feeds lanes from Kafka, for tests that kill it:
// node testing/kafka-lane-process.ts <event store> <database> <redis> <now> <brokers> <prefix>
const [eventStore = '', database = '', redis = '', now = '', brokers = '', prefix = ''] = process.argv.slice(2);
const projector = await startLaneProjector(
  { eventStore, database, redis },
  { now: () => new Date(now), openFeed: groupFeed(testKafka(brokers, prefix)) },
);
while (projector.lanes.fed.length === 0)
  await new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
console.log('ready');
