import streams from '@eventstore/db-client/generated/streams_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';

const { ReadResp } = streams;

/** Tells the client the id of its subscription. */
export function confirmation(subscriptionId: string): Buffer {
  const message = new ReadResp.SubscriptionConfirmation();
  message.setSubscriptionId(subscriptionId);
  const response = new ReadResp();
  response.setConfirmation(message);
  return Buffer.from(response.serializeBinary());
}

/** Tells the client that everything up to `position` was looked at. */
export function checkpoint(position: number): Buffer {
  const message = new ReadResp.Checkpoint();
  message.setCommitPosition(String(position));
  message.setPreparePosition(String(position));
  const response = new ReadResp();
  response.setCheckpoint(message);
  return Buffer.from(response.serializeBinary());
}

/** Tells the client that it has seen everything and now follows live. */
export function caughtUp(): Buffer {
  const response = new ReadResp();
  response.setCaughtUp(new ReadResp.CaughtUp());
  return Buffer.from(response.serializeBinary());
}

/** Tells the client that it no longer follows live but reads history again. */
export function fellBehind(): Buffer {
  const response = new ReadResp();
  response.setFellBehind(new ReadResp.FellBehind());
  return Buffer.from(response.serializeBinary());
}

/** Answers a read of a stream that does not exist. */
export function streamNotFound(streamName: string): Buffer {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(streamName));
  const message = new ReadResp.StreamNotFound();
  message.setStreamIdentifier(identifier);
  const response = new ReadResp();
  response.setStreamNotFound(message);
  return Buffer.from(response.serializeBinary());
}

/** Tells the client the first revision that a read could show. */
export function firstStreamPosition(revision: number): Buffer {
  const response = new ReadResp();
  response.setFirstStreamPosition(String(revision));
  return Buffer.from(response.serializeBinary());
}

/** Tells the client the revision of the last event of the stream. */
export function lastStreamPosition(revision: number): Buffer {
  const response = new ReadResp();
  response.setLastStreamPosition(String(revision));
  return Buffer.from(response.serializeBinary());
}
