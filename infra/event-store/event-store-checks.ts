import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js';
import { z } from 'zod';
import { EventStoreUnusableError, probeEventStore } from './event-store-probe.ts';
import { openEventStore, type EventStore } from './event-store.ts';

const [PERMISSION_DENIED, UNAUTHENTICATED] = [7, 16];
const NOT_DISCOVERED = /Failed to discover after \d+ attempts/;

/** What a gRPC error, or the client's own around it, says of why a call was refused. */
const Refusal = z.union([
  z.object({ _raw: z.object({ code: z.number() }) }).transform(({ _raw }) => _raw.code),
  z.object({ code: z.number() }).transform(({ code }) => code),
]);

/**
 * Opens an event store for somebody who wants to know why that fails. Rejects with EventStoreUnusableError, one for
 * each cause, or with whatever else happened.
 */
export async function openCheckedEventStore(url: string): Promise<EventStore> {
  await probeEventStore(url);
  try {
    return await openEventStore(url);
  } catch (error) {
    throw explainRefusal(url, error) ?? error;
  }
}

function explainRefusal(url: string, error: unknown): EventStoreUnusableError | undefined {
  const causes = [...causesOf(error)];
  const codes = causes.map((cause) => Refusal.safeParse(cause).data);
  const user = parseConnectionString(url).defaultCredentials?.username;
  if (codes.includes(UNAUTHENTICATED)) {
    return user === undefined
      ? new EventStoreUnusableError(
          'the event store wants to know who is asking',
          'put a user and a password into the address, as in esdb://user:password@host:2113',
        )
      : new EventStoreUnusableError(
          `the event store does not accept the user ${user} with this password`,
          'correct them in the address, with special characters percent-encoded, or set the password anew on the server',
        );
  }
  if (codes.includes(PERMISSION_DENIED)) {
    return new EventStoreUnusableError(
      `the event store does not let ${user ?? 'somebody without a user'} read or write`,
      'give the user of the address the rights that docs/production.md lists',
    );
  }
  if (causes.some((cause) => cause instanceof Error && NOT_DISCOVERED.test(cause.message))) {
    return new EventStoreUnusableError(
      'no node of the cluster can be used',
      'see that two of three nodes are up, and that this machine can reach the addresses by which they announce themselves',
    );
  }
  return undefined;
}

function* causesOf(error: unknown): Iterable<unknown> {
  for (
    let cause = error;
    cause !== undefined && cause !== null;
    cause = cause instanceof Error ? cause.cause : undefined
  )
    yield cause;
}
