import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { RecordStore } from './record-store.ts';
import type { PlacedRecord } from './record-store.ts';
import { recordsOfFrame } from './wal-frame.ts';

/**
 * The thread that brings groups of records from the write-ahead log into the store. It gets frames in the order of the
 * log, writes each message in one transaction, and tells up to where the store is complete. `null` ends it.
 */
const MessageSchema = z.array(z.object({ start: z.number(), frame: z.instanceof(Uint8Array) })).nullable();

const port = parentPort;
const store = new RecordStore(z.string().parse(workerData));

function placed(start: number, frame: Uint8Array): PlacedRecord[] {
  let position = start;
  return recordsOfFrame(Buffer.from(frame.buffer, frame.byteOffset, frame.length)).map((record) => {
    const at = position;
    position += record.length;
    return { position: at, record };
  });
}

port?.on('message', (message: unknown) => {
  const frames = MessageSchema.parse(message);
  if (frames === null) {
    void store.close().then(() => port.close());
    return;
  }
  const records = frames.flatMap(({ start, frame }) => placed(start, frame));
  const last = records.at(-1);
  if (last === undefined) return;
  store.write(records);
  port.postMessage(last.position + last.record.length);
});
