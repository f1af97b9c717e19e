import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { RecordStore } from './record-store.ts';
import type { PlacedRecord } from './record-store.ts';
import { recordsOfFrame } from './wal-frame.ts';

/**
 * The thread that brings groups of records from the write-ahead log into the store. It gets frames in the order of the log
 * and tells up to where the store is complete. `null` ends it, after everything is stored.
 */
const MessageSchema = z.object({ start: z.number(), frame: z.instanceof(Uint8Array) }).nullable();

/** How long records wait for company: one large transaction writes far fewer pages than many small ones. */
const GATHER_MS = 50;
/** Records that go into the store at once. */
const ENOUGH = 4096;

const port = parentPort;
const store = new RecordStore(z.string().parse(workerData));
let waiting: PlacedRecord[] = [];
let timer: NodeJS.Timeout | undefined;

function storeWaiting(): void {
  clearTimeout(timer);
  timer = undefined;
  const records = waiting;
  waiting = [];
  const last = records.at(-1);
  if (last === undefined) return;
  store.write(records);
  port?.postMessage(last.position + last.record.length);
}

port?.on('message', (message: unknown) => {
  const group = MessageSchema.parse(message);
  if (group === null) {
    storeWaiting();
    void store.close().then(() => port.close());
    return;
  }
  let position = group.start;
  for (const record of recordsOfFrame(Buffer.from(group.frame.buffer, group.frame.byteOffset, group.frame.length))) {
    waiting.push({ position, record });
    position += record.length;
  }
  if (waiting.length >= ENOUGH) storeWaiting();
  else timer ??= setTimeout(storeWaiting, GATHER_MS);
});
