import type { Config } from '../../../infra/process/config.ts';
import { kafkaAddress, openKafka } from '../../../infra/kafka/kafka.ts';
import type { Log } from '../../../infra/process/log.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { announceDeadLetters } from './announce-dead-letters.ts';
import { kafkaQueue } from './media-queue-kafka.ts';
import { tableQueue, type MediaQueue } from './media-queue.ts';
import type { Sweep } from '../reaction.ts';

export type OpenedQueue = { readonly queue: MediaQueue; readonly sweeps: readonly Sweep[] };

/**
 * The queue of media jobs that the settings ask for: in Kafka where there is one, else in PostgreSQL. Kafka is not
 * among the things without which a reactor is not ready, because its work goes on without.
 */
export function openMediaQueue({
  config,
  pool,
  log,
}: {
  config: Pick<Config, 'KAFKA_BROKERS' | 'KAFKA_PREFIX'>;
  pool: Pool;
  log: Log;
}): OpenedQueue {
  const address = kafkaAddress(config);
  if (address === undefined) return { queue: tableQueue(pool), sweeps: [] };
  const queue = kafkaQueue({ kafka: openKafka(address, log), prefix: address.prefix, pool, log });
  return { queue, sweeps: [announceDeadLetters(pool, queue)] };
}
