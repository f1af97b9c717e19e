import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Children } from '../infra/local/processes/children.ts';
import { ensurePrograms, FFMPEG, findProgram, type Program } from '../infra/local/stores/programs.ts';
import { reasonOf } from '../infra/local/readiness.ts';
import { bringUpKafka } from './kafka-server.ts';
import { PGBOUNCER_FOLDERS } from './pgbouncer.ts';
import { bringUpS3 } from './s3-server.ts';

/** A part of the tests that needs something which not every machine has. */
export type Tier = {
  name: string;
  /** A test file that holds this text needs the tier. */
  mark: RegExp;
  /**
   * Makes it available and returns the environment that tests find it by. Rejects, with the reason, when it cannot be
   * had.
   */
  bringUp: (context: TierContext) => Promise<TierResult>;
};
export type TierContext = {
  dataDir: string;
  children: Children;
  env: Record<string, string | undefined>;
  say: (line: string) => void;
};
export type TierResult = { env: Record<string, string>; close?: () => Promise<void> };

const JAVA: Program = {
  title: 'Java',
  binary: 'java',
  packages: {
    'apt-get': 'default-jre-headless',
    dnf: 'java-latest-openjdk-headless',
    apk: 'openjdk21-jre-headless',
    brew: 'openjdk',
  },
};
const MAVEN: Program = {
  title: 'Maven',
  binary: 'mvn',
  packages: { 'apt-get': 'maven', dnf: 'maven', apk: 'maven', brew: 'maven' },
};
const GO: Program = {
  title: 'Go',
  binary: 'go',
  packages: { 'apt-get': 'golang-go', dnf: 'golang', apk: 'go', brew: 'go' },
};
const CHROMIUM: Program = {
  title: 'Chromium',
  binary: 'chromium',
  packages: { 'apt-get': 'chromium', dnf: 'chromium', apk: 'chromium', brew: 'chromium' },
};
const NGINX: Program = {
  title: 'nginx',
  binary: 'nginx',
  folders: () => ['/usr/sbin', '/usr/local/sbin'],
  packages: { 'apt-get': 'nginx-light', dnf: 'nginx', apk: 'nginx', brew: 'nginx' },
};
const OPENSSL: Program = {
  title: 'OpenSSL',
  binary: 'openssl',
  packages: { 'apt-get': 'openssl', dnf: 'openssl', apk: 'openssl', brew: 'openssl' },
};
const PGBOUNCER: Program = {
  title: 'PgBouncer',
  binary: 'pgbouncer',
  packages: { 'apt-get': 'pgbouncer', dnf: 'pgbouncer', apk: 'pgbouncer', brew: 'pgbouncer' },
  folders: () => PGBOUNCER_FOLDERS,
};

export const TIERS: readonly Tier[] = [
  { name: 'Kafka', mark: /TEST_KAFKA_BROKERS/, bringUp: kafka },
  { name: 'S3', mark: /TEST_S3_|s3ForTests/, bringUp: s3 },
  { name: 'ffmpeg', mark: /ffmpeg/i, bringUp: (context) => programs([FFMPEG], context) },
  { name: 'nginx', mark: /nginxForTests/, bringUp: (context) => programs([NGINX, OPENSSL], context) },
  { name: 'PgBouncer', mark: /pgBouncerForTests/, bringUp: (context) => programs([PGBOUNCER], context) },
  { name: 'Chromium', mark: /chromium/i, bringUp: (context) => programs([CHROMIUM], context) },
];

/** The tiers that at least one of the test files needs. */
export function neededTiers(testFiles: readonly { text: string }[]): Tier[] {
  return TIERS.filter((tier) => testFiles.some(({ text }) => tier.mark.test(text)));
}

/** Brings up the tiers one after the other; each that cannot be had is `skipped` with its reason. */
export async function bringUpTiers(
  tiers: readonly Tier[],
  context: TierContext,
): Promise<TierResult & { skipped: string[] }> {
  const env: Record<string, string> = {};
  const closers: (() => Promise<void>)[] = [];
  const skipped: string[] = [];
  for (const tier of tiers) {
    try {
      const result = await tier.bringUp(context);
      Object.assign(env, result.env);
      if (result.close !== undefined) closers.push(result.close);
    } catch (error) {
      skipped.push(`${tier.name}: ${reasonOf(error)}`);
    }
  }
  return {
    env,
    skipped,
    close: async () => {
      for (const close of closers.reverse()) await close();
    },
  };
}

async function kafka(context: TierContext): Promise<TierResult> {
  const given = context.env['TEST_KAFKA_BROKERS'];
  if (given) return { env: { TEST_KAFKA_BROKERS: given } };
  await programs([JAVA, MAVEN], context);
  const { brokers } = await bringUpKafka({
    cacheDir: cacheDir(),
    dataDir: join(context.dataDir, 'kafka'),
    children: context.children,
  });
  return { env: { TEST_KAFKA_BROKERS: brokers } };
}

async function s3(context: TierContext): Promise<TierResult> {
  if (context.env['TEST_S3_ENDPOINT']) return { env: {} };
  if (findProgram('versitygw', [cacheDir()]) === undefined) await programs([GO], context);
  const dataDir = join(context.dataDir, 's3');
  mkdirSync(dataDir, { recursive: true });
  const server = await bringUpS3({ cacheDir: cacheDir(), dataDir });
  return {
    env: {
      TEST_S3_ENDPOINT: server.endpoint,
      TEST_S3_ACCESS_KEY_ID: server.accessKeyId,
      TEST_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
    },
    close: () => server.close(),
  };
}

// A person's own machine is not filled with compilers for a test run; a build machine, or a container where one is root
// from the start, is expected to run everything.
function programs(wanted: Program[], { env, say }: TierContext): Promise<TierResult> {
  if (env['CI'] === 'true' || process.getuid?.() === 0) ensurePrograms(wanted, say);
  const missing = wanted.filter((program) => findProgram(program.binary, program.folders?.()) === undefined);
  if (missing.length === 0) return Promise.resolve({ env: {} });
  return Promise.reject(
    new Error(
      `needs ${missing.map((program) => program.title).join(' and ')} (${missing.map((program) => program.packages['apt-get']).join(' ')})`,
    ),
  );
}

/** Where downloaded servers are kept between runs and clones. */
export function cacheDir(): string {
  return join(homedir(), '.cache', 'shutterlog');
}
