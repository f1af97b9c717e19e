import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { Client, credentials } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

const { ReadReq } = streams;

/** Writes every message of a read of `$all` into a file, framed as gRPC frames them; gives their number. */
export async function captureAll(url: string, file: string): Promise<number> {
  const client = new Client(new URL(url).host, credentials.createInsecure());
  const identity = (message: Buffer): Buffer => message;
  const call = client.makeServerStreamRequest(
    StreamsService.read.path,
    StreamsService.read.requestSerialize,
    identity,
    request(),
  );
  const output = createWriteStream(file);
  let count = 0;
  for await (const message of call as AsyncIterable<Buffer>) {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(message.length, 1);
    output.write(header);
    output.write(message);
    count++;
  }
  output.end();
  await finished(output);
  client.close();
  return count;
}

function request(): InstanceType<typeof ReadReq> {
  const empty = new shared.Empty();
  const all = new ReadReq.Options.AllOptions();
  all.setStart(empty);
  const ids = new ReadReq.Options.UUIDOption();
  ids.setString(empty);
  const options = new ReadReq.Options();
  options.setAll(all);
  options.setUuidOption(ids);
  options.setNoFilter(empty);
  options.setCount(String(Number.MAX_SAFE_INTEGER));
  const read = new ReadReq();
  read.setOptions(options);
  return read;
}
