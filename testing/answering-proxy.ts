import streams from '@eventstore/db-client/generated/streams_pb.js';
import { GossipService } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import rpc from '@eventstore/db-client/generated/status_pb.js';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';

/** How a node of a cluster may answer instead of doing what it is asked. */
export type NodeAnswer = {
  readonly code: number;
  readonly details: string;
  readonly trailers?: Readonly<Record<string, string>>;
};

/** A proxy in front of an event store that speaks its protocol, for tests of what a cluster may answer. */
export type AnsweringProxy = {
  readonly port: number;
  readonly url: string;
  /**
   * Gives this answer to everything from now on, and to what is under way; undefined: lets everything through again.
   */
  say(answer: NodeAnswer | undefined): void;
  /**
   * Answers each append of a batch by itself, with a status inside a stream that goes on, as nodes do; reads go
   * through.
   */
  sayToAppends(answer: NodeAnswer | undefined): void;
  /** Lets appends through and keeps their answers back, until it is told otherwise. */
  keepAnswers(keep: boolean): void;
  close(): Promise<void>;
};

type Call = { emit(event: 'error', error: ServiceError): boolean };
type Way = { answer: NodeAnswer | undefined; toAppends: NodeAnswer | undefined; keep: boolean };
type Respond = (error: ServiceError | null, value?: Buffer) => void;

/** A status whose details (field 3) are of a type (field 1 of them) that says nothing. */
const TYPE = Buffer.from('type.googleapis.com/google.protobuf.Empty');
const ANYTHING = Buffer.concat([Buffer.from([0x1a, TYPE.length + 2, 0x0a, TYPE.length]), TYPE]);

const same = (bytes: Buffer) => bytes;
const raw = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

/** Listens on a free loopback port. */
export async function openAnsweringProxy(target: { port: number }): Promise<AnsweringProxy> {
  const upstream = new Client(`127.0.0.1:${String(target.port)}`, credentials.createInsecure());
  const way: Way = { answer: undefined, toAppends: undefined, keep: false };
  const open = new Map<Call, () => void>();
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 });
  const unary = (path: string) => (call: ServerUnaryCall<Buffer, Buffer>, respond: Respond) => {
    if (way.answer === undefined)
      upstream.makeUnaryRequest(path, same, same, call.request, (error, value) => {
        respond(error, value);
      });
    else respond(failure(way.answer));
  };
  const track = (call: Call & { once(event: 'close', listener: () => void): unknown }, end: () => void) => {
    open.set(call, end);
    call.once('close', () => {
      open.delete(call);
      end();
    });
  };
  server.addService({ read: { ...GossipService.read, ...raw } }, { read: unary(GossipService.read.path) });
  server.addService(
    { get: { ...ServerFeaturesService.getSupportedMethods, ...raw } },
    { get: unary(ServerFeaturesService.getSupportedMethods.path) },
  );
  server.addService(
    { read: { ...StreamsService.read, ...raw }, batchAppend: { ...StreamsService.batchAppend, ...raw } },
    {
      read: (call: ServerWritableStream<Buffer, Buffer>) => {
        if (way.answer !== undefined) return void call.emit('error', failure(way.answer));
        const reading = upstream.makeServerStreamRequest(StreamsService.read.path, same, same, call.request);
        track(call, () => {
          reading.cancel();
        });
        passOn(reading, call, () => true);
        return undefined;
      },
      batchAppend: (call: ServerDuplexStream<Buffer, Buffer>) => {
        if (way.answer !== undefined) return void call.emit('error', failure(way.answer));
        const appending = upstream.makeBidiStreamRequest(StreamsService.batchAppend.path, same, same);
        track(call, () => {
          appending.cancel();
        });
        passOn(appending, call, () => !way.keep);
        call.on('data', (request: Buffer) => {
          if (way.toAppends === undefined) appending.write(request);
          else call.write(refusal(request, way.toAppends));
        });
        return undefined;
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    url: `esdb://127.0.0.1:${String(port)}?tls=false`,
    say: (answer) => {
      way.answer = answer;
      if (answer !== undefined) for (const call of [...open.keys()]) call.emit('error', failure(answer));
    },
    sayToAppends: (answer) => {
      way.toAppends = answer;
    },
    keepAnswers: (keep) => {
      way.keep = keep;
    },
    close: async () => {
      for (const end of open.values()) end();
      server.forceShutdown();
      upstream.close();
    },
  };
}

function passOn(
  from: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
  to: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  mayPass: () => boolean,
): void {
  from.on('data', (message: Buffer) => {
    if (mayPass()) to.write(message);
  });
  from.on('error', (error: ServiceError) => {
    to.emit('error', error);
  });
  from.on('end', () => {
    to.end();
  });
}

function failure({ code, details, trailers = {} }: NodeAnswer): ServiceError {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
  return Object.assign(new Error(details), { code, details, metadata });
}

function refusal(request: Buffer, { code, details }: NodeAnswer): Buffer {
  const asked = streams.BatchAppendReq.deserializeBinary(request);
  const status = rpc.Status.deserializeBinary(ANYTHING);
  status.setCode(code);
  status.setMessage(details);
  const answer = new streams.BatchAppendResp();
  answer.setCorrelationId(asked.getCorrelationId());
  answer.setStreamIdentifier(asked.getOptions()?.getStreamIdentifier());
  answer.setError(status);
  return Buffer.from(answer.serializeBinary());
}
