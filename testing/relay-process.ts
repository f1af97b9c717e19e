import { openEventStore } from '../infra/event-store/event-store.ts';
import { createLog } from '../infra/process/log.ts';
import { openPool } from '../infra/postgres.ts';
import { startRelay } from '../projections/kafka/relay.ts';
import { testKafka } from './kafka.ts';

// A relay of its own process, for tests that kill it: node testing/relay-process.ts <event store> <database> <brokers>
// <prefix>
const [eventStore = '', databaseUrl = '', brokers = '', prefix = ''] = process.argv.slice(2);
const relay = startRelay({
  ...testKafka(brokers, prefix),
  databaseUrl,
  pool: openPool(databaseUrl, { size: 2, name: 'relay-process' }),
  store: await openEventStore(eventStore),
  log: createLog({ process: 'relay-process', level: 'silent' }),
});
while (relay.position === undefined)
  await new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
console.log('ready');
