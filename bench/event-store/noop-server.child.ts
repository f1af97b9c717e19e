import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { supportedMethods } from '../../infra/event-store-node/node-info.ts';
import { decodeBatchChunk } from '../../infra/event-store-node/writing/write-codec.ts';
import { batchWritten } from '../../infra/event-store-node/writing/write-responses.ts';

/**
 * A server that acknowledges every batch at once and keeps nothing: what is left is the cost of the client and of gRPC.
 */
const server = new Server();
const raw = { requestDeserialize: (message: Buffer) => message, responseSerialize: (message: Buffer) => message };
server.addService(
  { batchAppend: { ...StreamsService.batchAppend, ...raw } },
  {
    batchAppend: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (message: Buffer) => {
        const { correlation, options } = decodeBatchChunk(message);
        call.write(
          batchWritten(
            { correlation, streamName: options?.streamName ?? '' },
            { kind: 'written', revision: 0, position: 1 },
          ),
        );
      });
      call.on('end', () => call.end());
    },
  },
);
server.addService(ServerFeaturesService, {
  getSupportedMethods: (_call: unknown, respond: (error: null, value: unknown) => void) =>
    respond(null, supportedMethods()),
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`ready: esdb://127.0.0.1:${port}?tls=false\n`);
});
process.once('SIGTERM', () => process.exit(0));
