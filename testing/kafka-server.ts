import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import type { Child, Children } from '../infra/local/processes/children.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { findProgram } from '../infra/local/stores/programs.ts';
import { reasonOf, whenReady } from '../infra/local/readiness.ts';
import { StartError } from '../infra/local/start-error.ts';

export type RunningKafka = {
  /** The value for KAFKA_BROKERS. */
  brokers: string;
  child: Child;
  /** Starts it again on what it holds, after it was killed. */
  startAgain: () => Promise<RunningKafka>;
};

const VERSION = '4.2.0';
const FETCH_LIMIT_MS = 300_000;
const READY_LIMIT_MS = 60_000;

/**
 * Brings up a private one-node Kafka (KRaft) on a free loopback port, its jars fetched once from Maven into `cacheDir`.
 * Rejects with StartError when Java or the jars cannot be had, or when the broker does not start.
 */
export async function bringUpKafka({
  cacheDir,
  dataDir,
  children,
}: {
  cacheDir: string;
  dataDir: string;
  children: Children;
}): Promise<RunningKafka> {
  const java = findProgram('java');
  if (java === undefined)
    throw new StartError('Kafka needs Java 17 or later (java is not on PATH), or TEST_KAFKA_BROKERS');
  const libraries = fetchKafka(cacheDir);
  const [port, controllerPort] = [await freePort(), await freePort()];
  mkdirSync(dataDir, { recursive: true });
  const properties = join(dataDir, 'server.properties');
  writeFileSync(properties, serverProperties({ port, controllerPort, logs: join(dataDir, 'logs') }));
  const classPath = ['-cp', join(libraries, '*')];
  const format = spawnSync(
    java,
    [...classPath, 'kafka.tools.StorageTool', 'format', '-t', 'c2h1dHRlcmxvZy10ZXN0cw', '-c', properties],
    { encoding: 'utf8' },
  );
  if (format.status !== 0) throw new StartError(`Kafka's storage could not be formatted: ${lastLine(format.stderr)}`);
  const brokers = `127.0.0.1:${port}`;
  const start = async (): Promise<RunningKafka> => {
    const child = await children.start({
      name: 'kafka',
      command: java,
      args: ['-Xmx512m', ...classPath, 'kafka.Kafka', properties],
      env: process.env,
      cwd: dataDir,
      stopLimitMs: 10_000,
    });
    await whenReady(child, { children, title: 'Kafka', limitMs: READY_LIMIT_MS, ask: () => tryBroker(brokers) });
    return { brokers, child, startAgain: start };
  };
  return start();
}

function fetchKafka(cacheDir: string): string {
  const libraries = join(cacheDir, `kafka-${VERSION}`);
  if (existsSync(libraries)) return libraries;
  const maven = findProgram('mvn');
  if (maven === undefined)
    throw new StartError('Kafka comes from Maven (mvn is not on PATH); or set TEST_KAFKA_BROKERS');
  mkdirSync(cacheDir, { recursive: true });
  // Fetched aside and renamed, so that two runs at once and a fetch that was cut short leave a whole set of jars or
  // none.
  const fetching = mkdtempSync(join(cacheDir, 'fetching-'));
  try {
    writeFileSync(join(fetching, 'pom.xml'), POM);
    const args = [
      '-q',
      '-B',
      '-f',
      join(fetching, 'pom.xml'),
      'dependency:copy-dependencies',
      `-DoutputDirectory=${join(fetching, 'jars')}`,
    ];
    const done = spawnSync(maven, args, { encoding: 'utf8', timeout: FETCH_LIMIT_MS });
    if (done.status !== 0)
      throw new StartError(
        `Kafka's jars could not be fetched: ${done.error?.message ?? firstError(done.stdout + done.stderr)}`,
      );
    if (!existsSync(libraries)) renameSync(join(fetching, 'jars'), libraries);
  } finally {
    rmSync(fetching, { recursive: true, force: true });
  }
  return libraries;
}

const POM = `<project><modelVersion>4.0.0</modelVersion><groupId>shutterlog</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency></dependencies>
</project>
`;

function serverProperties({
  port,
  controllerPort,
  logs,
}: {
  port: number;
  controllerPort: number;
  logs: string;
}): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logs,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function tryBroker(brokers: string): Promise<string> {
  const admin = new Kafka({
    clientId: 'readiness',
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 2_000,
  }).admin();
  try {
    await admin.connect();
    await admin.describeCluster();
    return 'ready';
  } catch (error) {
    return reasonOf(error);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';
const firstError = (text: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith('[ERROR]'))
    ?.slice('[ERROR] '.length) ?? lastLine(text);
