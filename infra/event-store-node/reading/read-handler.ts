import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import type { CommitSignal } from '../commit-signal.ts';
import { presenter } from './present-event.ts';
import { readPages } from './read-events.ts';
import { parseReadRequest } from './read-request.ts';
import { toRpcError } from '../rpc-error.ts';
import type { Storage } from '../storage/storage.ts';
import { sendAll } from '../streaming-call.ts';
import type { OutgoingCall } from '../streaming-call.ts';
import { serveSubscription } from './subscription.ts';

/** A `Read` call: its request, and the way to answer it. */
export interface ReadCall extends OutgoingCall {
  readonly request: ReadReq;
}

/** What reads need of the node. */
export interface ReadContext {
  readonly storage: Storage;
  readonly signal: CommitSignal;
}

/** Serves reads and subscriptions. Never rejects: what goes wrong ends the call with its status. */
export async function handleRead(context: ReadContext, call: ReadCall): Promise<void> {
  try {
    const request = parseReadRequest(call.request);
    const present = presenter(context.storage, request);
    if (request.count === undefined) {
      await serveSubscription({ ...context, present }, request, call);
      return;
    }
    for (const page of readPages(context.storage, request, present)) {
      if (!(await sendAll(call, page))) return;
    }
    call.end();
  } catch (error) {
    call.emit('error', toRpcError(error));
  }
}
