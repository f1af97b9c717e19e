import type { Command } from 'commander';
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import type { Config } from '../infra/process/config.ts';
import { EventStoreUnusableError } from '../infra/event-store/event-store-probe.ts';
import { inTransaction, openPool, wayOf } from '../infra/postgres.ts';
import { openVault } from '../infra/vault/vault.ts';
import type { CliContext, ExitCode } from './context.ts';
import type { Run } from './context.ts';
import { shownPosition } from '../infra/event-store/position-text.ts';
import { examineVideoPrograms } from './doctor-videos.ts';

/** What works, but not with all that it could; the rest of a check's findings are lines or errors. */
type Warning = { readonly warning: string };
type Check = {
  readonly name: string;
  readonly advice: string;
  readonly run: (context: CliContext) => Promise<string | Warning>;
};
/** `ok` is false when Shutterlog cannot work like this; with a warning it can. */
type Finding = {
  readonly check: string;
  readonly ok: boolean;
  readonly warning?: true;
  readonly says: string;
  readonly advice?: string;
};

const CHECK_LIMIT_MS = 12_000;
const LEAST_FREE_BYTES = 1024 ** 3;

/** In the order in which one depends on the other; each gives one line about what it found, or throws. */
const CHECKS: readonly Check[] = [
  {
    name: 'environment',
    advice: 'correct the variables named here; .env.example explains each',
    run: async (context) => {
      context.config();
      return 'all variables are valid';
    },
  },
  {
    name: 'event store',
    advice: 'see its log; EVENTSTORE_URL is its address',
    run: async (context) => {
      const store = await context.store();
      return `store ${store.storeId}, head ${shownPosition(await store.head())}`;
    },
  },
  {
    name: 'postgresql',
    advice: 'start it or correct DATABASE_URL',
    run: async (context) =>
      (await context.pool().query<{ v: string }>('select current_setting($1) as v', ['server_version'])).rows[0]?.v ??
      '',
  },
  { name: 'postgresql pool', advice: 'start the pooler or correct DATABASE_URL', run: pooler },
  {
    name: 'redis',
    advice: 'start it or correct REDIS_URL; feeds are computed from PostgreSQL meanwhile',
    run: async (context) => /redis_version:(\S+)/.exec(await (await context.redis()).info('server'))?.[1] ?? 'answers',
  },
  {
    name: 'secrets',
    advice: 'use the MASTER_KEY that this database was made with; another one cannot read personal data',
    run: async (context) => {
      await openVault({ pool: context.pool(), masterKey: context.config().MASTER_KEY });
      return 'the master key opens the vault';
    },
  },
  { name: 'media folder', advice: 'make MEDIA_DIR writable and keep at least 1 GiB free there', run: mediaFolder },
  {
    name: 'ffmpeg',
    advice: 'install ffmpeg (npm start does where it may), or set VIDEO_UPLOADS=off',
    run: (context) => examineVideoPrograms(context.config().VIDEO_UPLOADS),
  },
  {
    name: 'write-api',
    advice: 'see its log; /health/ready names the part that is missing',
    run: ready((config) => config.WRITE_API_PORT),
  },
  {
    name: 'read-api',
    advice: 'see its log; /health/ready names the part that is missing',
    run: ready((config) => config.READ_API_PORT),
  },
  {
    name: 'projector',
    advice: 'see its log and shutterlog projections status',
    run: ready((config) => config.PROJECTOR_PORT),
  },
  {
    name: 'reactor',
    advice: 'see its log and shutterlog dead-letters list',
    run: ready((config) => config.REACTOR_PORT),
  },
];

/**
 * `doctor`: looks at every part that Shutterlog needs and says what to do about those that fail; exit 1 when one does.
 * A warning is no failure.
 */
export function registerDoctor(program: Command, run: Run): void {
  program
    .command('doctor')
    .description('check every part that Shutterlog needs')
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => run((context) => examine(context, options.json === true)));
}

async function examine(context: CliContext, json: boolean): Promise<ExitCode> {
  const [environment, ...others] = CHECKS;
  const findings = environment === undefined ? [] : [await tryCheck(environment, context)];
  // Without addresses nothing else can be looked at, and saying so ten times helps nobody.
  if (findings.every(({ ok }) => ok))
    findings.push(...(await Promise.all(others.map((check) => tryCheck(check, context)))));
  if (json) console.log(JSON.stringify(findings));
  else
    for (const { check, ok, warning, says, advice } of findings)
      console.log(
        `${!ok ? 'FAILED ' : warning ? 'warning' : 'ok     '} ${check.padEnd(15)} ${says}${advice === undefined ? '' : `\n        ${advice}`}`,
      );
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

async function tryCheck(check: Check, context: CliContext): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error('no answer'));
    }, CHECK_LIMIT_MS);
  });
  try {
    const found = await Promise.race([check.run(context), limit]);
    return typeof found === 'string'
      ? { check: check.name, ok: true, says: found }
      : { check: check.name, ok: true, warning: true, says: found.warning, advice: check.advice };
  } catch (error) {
    if (error instanceof EventStoreUnusableError)
      return { check: check.name, ok: false, says: error.finding, advice: `${error.advice} (EVENTSTORE_URL)` };
    return {
      check: check.name,
      ok: false,
      says: error instanceof Error ? error.message : String(error),
      advice: check.advice,
    };
  } finally {
    clearTimeout(timer);
  }
}

// Commands themselves go past a pooler.
async function pooler(context: CliContext): Promise<string> {
  const config = context.config();
  if (config.DATABASE_LISTEN_URL === undefined) return 'none: DATABASE_URL is the server itself';
  const pool = openPool(config.DATABASE_URL, { ...wayOf(config), size: 1, name: 'shutterlog-doctor' });
  try {
    await inTransaction(pool, (tx) => tx.query('select 1'));
    return 'answers';
  } finally {
    await pool.end();
  }
}

async function mediaFolder(context: CliContext): Promise<string> {
  const { MEDIA_DIR, S3_ENDPOINT } = context.config();
  if (S3_ENDPOINT !== undefined) return 'not used: media are in the object store of S3_ENDPOINT';
  await mkdir(MEDIA_DIR, { recursive: true });
  await access(MEDIA_DIR, constants.W_OK);
  const { bavail, bsize } = await statfs(MEDIA_DIR);
  if (bavail * bsize < LEAST_FREE_BYTES)
    throw new Error(`only ${Math.floor((bavail * bsize) / 1024 ** 2)} MiB are free in ${MEDIA_DIR}`);
  return `${MEDIA_DIR}, ${Math.floor((bavail * bsize) / 1024 ** 3)} GiB free`;
}

function ready(portOf: (config: Config) => number): Check['run'] {
  return async (context) => {
    const config = context.config();
    const answer = await fetch(`http://${config.HOST}:${portOf(config)}/health/ready`, {
      signal: AbortSignal.timeout(5_000),
    }).catch(() => {
      throw new Error(`nothing answers on port ${portOf(config)}`);
    });
    if (!answer.ok) throw new Error(`not ready: ${(await answer.text()).slice(0, 300)}`);
    return `ready on port ${portOf(config)}`;
  };
}
