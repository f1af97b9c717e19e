import type { Kafka, Message } from 'kafkajs';

/** Sends messages to their partitions in transactions. Whoever opens one last under an id is the only one that can. */
export type Publisher = {
  /**
   * All messages or none, in order. Rejects when they may not have been sent, or when another publisher has taken over.
   */
  publish(messages: readonly Message[]): Promise<void>;
  close(): Promise<void>;
};

/** A transaction whose publisher died ends after so long; readers wait for it, unless a successor comes before. */
const TRANSACTION_LIMIT_MS = 10_000;

/** Opens the publisher of `transactionalId` and shuts out the one before. */
export async function openPublisher(
  kafka: Kafka,
  { topic, transactionalId }: { topic: string; transactionalId: string },
): Promise<Publisher> {
  const producer = kafka.producer({
    idempotent: true,
    transactionalId,
    maxInFlightRequests: 1,
    transactionTimeout: TRANSACTION_LIMIT_MS,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  // The library asks for its epoch, which is what shuts the others out, only when a transaction begins.
  await (await producer.transaction()).abort();
  return {
    publish: async (messages) => {
      const transaction = await producer.transaction();
      try {
        await transaction.sendBatch({ acks: -1, topicMessages: [{ topic, messages: [...messages] }] });
        await transaction.commit();
      } catch (error) {
        if (transaction.isActive()) await transaction.abort().catch(() => undefined);
        throw error;
      }
    },
    close: () => producer.disconnect().catch(() => undefined),
  };
}
