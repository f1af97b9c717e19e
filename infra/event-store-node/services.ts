import { status } from '@grpc/grpc-js';
import type { Server, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerReadableStream, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import { GossipService } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import { MonitoringService } from '@eventstore/db-client/generated/monitoring_grpc_pb.js';
import { OperationsService } from '@eventstore/db-client/generated/operations_grpc_pb.js';
import { PersistentSubscriptionsService } from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import { ProjectionsService } from '@eventstore/db-client/generated/projections_grpc_pb.js';
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { UsersService } from '@eventstore/db-client/generated/users_grpc_pb.js';
import { handleBatchAppend } from './writing/batch-append-handler.ts';
import type { LogWriter } from './storage/log-writer.ts';
import { clusterInfo, supportedMethods } from './node-info.ts';
import { handleRead } from './reading/read-handler.ts';
import type { ReadContext } from './reading/read-handler.ts';
import { RpcError } from './rpc-error.ts';
import type { OutgoingCall } from './streaming-call.ts';
import { handleAppend, handleDelete } from './writing/write-handlers.ts';
import type { Respond } from './writing/write-handlers.ts';

/** What the services share. */
export interface NodeContext extends ReadContext {
  readonly writer: LogWriter;
  /** Calls that stay open, to be ended at shutdown. */
  readonly openCalls: Set<OutgoingCall>;
  readonly instanceId: string;
}

/** Adds all of EventStoreDB's services to the server: what this node has, and a clear UNIMPLEMENTED for the rest. */
export function addServices(server: Server, context: NodeContext): void {
  addStreams(server, context);
  server.addService(GossipService, {
    read: (call: ServerUnaryCall<unknown, unknown>, respond: (error: null, value: unknown) => void) => {
      respond(null, clusterInfo(context.instanceId, call.getHost()));
    },
  });
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (_call: unknown, respond: (error: null, value: unknown) => void) =>
      respond(null, supportedMethods()),
  });
  refuse(server, PersistentSubscriptionsService, 'persistent subscriptions');
  refuse(server, ProjectionsService, 'server-side projections');
  refuse(server, UsersService, 'users');
  refuse(server, OperationsService, 'operations');
  refuse(server, MonitoringService, 'monitoring');
}

function addStreams(server: Server, context: NodeContext): void {
  const { writer, openCalls } = context;
  const track = (call: OutgoingCall): void => {
    openCalls.add(call);
    call.once('close', () => openCalls.delete(call));
  };
  const encoded = { responseSerialize: (message: Buffer) => message };
  const raw = { ...encoded, requestDeserialize: (message: Buffer) => message };
  const definition = {
    read: { ...StreamsService.read, ...encoded },
    append: { ...StreamsService.append, ...raw },
    delete: { ...StreamsService.delete, ...raw },
    tombstone: { ...StreamsService.tombstone, ...raw },
    batchAppend: { ...StreamsService.batchAppend, ...raw },
  };
  server.addService(definition, {
    read: (call: ServerWritableStream<ReadReq, readonly Buffer[]>) => {
      track(call);
      void handleRead(context, call);
    },
    append: (call: ServerReadableStream<Buffer, Buffer>, respond: Respond) => void handleAppend(writer, call, respond),
    delete: (call: ServerUnaryCall<Buffer, Buffer>, respond: Respond) =>
      void handleDelete(writer, 'delete', { message: call.request, respond }),
    tombstone: (call: ServerUnaryCall<Buffer, Buffer>, respond: Respond) =>
      void handleDelete(writer, 'tombstone', { message: call.request, respond }),
    batchAppend: (call: ServerDuplexStream<Buffer, readonly Buffer[]>) => {
      track(call);
      handleBatchAppend(writer, call);
    },
  });
}

/** Answers every method of a service that this node does not have. */
function refuse(server: Server, service: ServiceDefinition, what: string): void {
  const handlers: Record<string, UntypedHandleCall> = {};
  for (const [name, method] of Object.entries(service)) {
    const error = new RpcError(
      status.UNIMPLEMENTED,
      `The embedded event store has no ${what} (${method.path}). Use EventStoreDB for that.`,
    );
    handlers[name] = method.responseStream
      ? (call: { emit(event: 'error', error: RpcError): boolean }) => void call.emit('error', error)
      : (_call: unknown, respond: Respond) => respond(error);
  }
  server.addService(service, handlers);
}
