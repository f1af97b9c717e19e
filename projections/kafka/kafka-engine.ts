import { metrics } from '@opentelemetry/api';
import type { Config } from '../../infra/process/config.ts';
import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import type { HealthCheck } from '../../infra/http/health.ts';
import { kafkaAddress, openKafka } from '../../infra/kafka/kafka.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import type { Pool } from '../../infra/postgres.ts';
import { openKafkaFeed, type KafkaFeed } from './kafka-lanes.ts';
import type { OpenLaneFeed } from '../lanes/lane-feed.ts';
import { startRelay, type Relay } from './relay.ts';

export type KafkaEngineDeps = {
  readonly config: Pick<Config, 'KAFKA_BROKERS' | 'KAFKA_PREFIX'>;
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly store: ReadableLog;
  readonly keys: DataKeys;
  readonly log: Log;
};

/** What Kafka adds to a projector: nothing at all without KAFKA_BROKERS. */
export type KafkaEngine = {
  /** How the lanes of this process get their events, for `createLanes`. */
  readonly lanes: { readonly openFeed?: OpenLaneFeed };
  readonly health: Record<string, HealthCheck>;
  close(): Promise<void>;
};

/**
 * Starts the relay and hands out the consumer of this process, if there is a Kafka. It need not answer: both go on
 * trying, and the models on PostgreSQL do not need it.
 */
export function startKafkaEngine({ config, log, ...deps }: KafkaEngineDeps): KafkaEngine {
  const address = kafkaAddress(config);
  if (address === undefined) return { lanes: {}, health: {}, close: () => Promise.resolve() };
  const kafka = openKafka(address, log);
  const { prefix } = address;
  const relay = startRelay({ ...deps, kafka, prefix, log });
  const feeds: KafkaFeed[] = [];
  const unwatch = watchKafka(relay, feeds);
  return {
    lanes: {
      openFeed: (onChange) => {
        const feed = openKafkaFeed({ ...deps, kafka, prefix, log }, onChange);
        feeds.push(feed);
        return feed;
      },
    },
    health: {
      kafka: () => Promise.resolve(throwTrouble(relay.trouble ?? feeds.flatMap(({ trouble }) => trouble ?? []).at(0))),
    },
    close: async () => {
      unwatch();
      await relay.close();
    },
  };
}

function throwTrouble(trouble: string | undefined): void {
  if (trouble !== undefined) throw new Error(trouble);
}

/**
 * Shows `relay_lag_seconds` and `relay_leads` of this process's relay, and `kafka_consumer_lag_messages` of its lanes.
 */
function watchKafka(relay: Relay, feeds: readonly KafkaFeed[]): () => void {
  const meter = metrics.getMeter('shutterlog');
  const shown = [
    {
      gauge: meter.createObservableGauge('relay_lag_seconds', {
        description: 'Age of the oldest event that is read and not yet in Kafka.',
      }),
      value: () => relay.lagSeconds,
    },
    {
      gauge: meter.createObservableGauge('relay_leads', {
        description: '1 in the process that publishes the log to Kafka.',
      }),
      value: () => (relay.leads ? 1 : 0),
    },
    {
      gauge: meter.createObservableGauge('kafka_consumer_lag_messages', {
        description: 'Messages in Kafka that the lanes of this process have not been handed.',
      }),
      value: () => feeds.reduce((sum, { behind }) => sum + behind, 0),
    },
  ].map(({ gauge, value }) => ({
    gauge,
    observe: (result: { observe(value: number): void }) => {
      result.observe(value());
    },
  }));
  for (const { gauge, observe } of shown) gauge.addCallback(observe);
  return () => {
    for (const { gauge, observe } of shown) gauge.removeCallback(observe);
  };
}
