import { openEventStore } from '../../infra/event-store/event-store.ts';

/** Reads the whole log by one client and does nothing with it. Argument: event store. Prints events per second. */
const store = await openEventStore(process.argv[2] ?? '');
let events = 0;
const started = performance.now();
for await (const event of store.readAll()) if (event.type !== '') events += 1;
const rate = events / ((performance.now() - started) / 1_000);
process.stdout.write(`${String(rate)}\n`, () => process.exit(0));
