import { ANY, binaryEvent, EventStoreDBClient, type EventData } from '@eventstore/db-client';

const AT_ONCE = 2_000;
/** What EventStoreDB's standard projections write most, and what a projection of one's own may call its results. */
const KINDS = [
  { stream: '$ce-post', type: '$>' },
  { stream: '$et-PostCreated', type: '$>' },
  { stream: '$projections-$by_category-checkpoint', type: '$ProjectionCheckpoint' },
  // A link in a stream whose name is like ours.
  { stream: 'newest-posts', type: '$>' },
] as const;

/** Appends events such as a server's own projections write, about so many, behind everything that there is. */
export async function appendSystemEvents(url: string, count: number): Promise<void> {
  const client = EventStoreDBClient.connectionString(url);
  try {
    for (let written = 0, kind = 0; written < count; written += AT_ONCE, kind += 1) {
      const { stream, type } = KINDS[kind % KINDS.length] ?? KINDS[0];
      await client.appendToStream(stream, eventsOf(type, Math.min(AT_ONCE, count - written)), {
        expectedRevision: ANY,
      });
    }
    // The type of what a projection emits is not the server's, its stream is.
    await client.appendToStream('$projections-sums-result', eventsOf('Result', 1), { expectedRevision: ANY });
  } finally {
    await client.dispose();
  }
}

function eventsOf(type: string, count: number): EventData[] {
  return Array.from({ length: count }, (_, n) => binaryEvent({ type, data: Buffer.from(`${String(n)}@post-1`) }));
}
