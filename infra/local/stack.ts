import { join } from 'node:path';
import { removeAddresses, writeAddresses } from './addresses.ts';
import { appEnvironment, appUrls, edgeArgs, type AppEnvironmentInput } from './app-environment.ts';
import { APP_NAMES, startApp, type AppName } from './apps.ts';
import { openChildRegistry, type ChildRegistry } from './processes/child-registry.ts';
import { createChildren, type Child, type Children } from './processes/children.ts';
import { canCreateDemoWorld, createDemoWorld, declineDemoWorld, readDemoWorld } from './demo-world.ts';
import { checkOthers } from './stores/given-servers.ts';
import { startGuard } from './processes/guard.ts';
import { installMissing } from './stores/install.ts';
import { withoutEmpty, type LocalOptions, type LocalSettings, type Ports } from './options.ts';
import { bringModelsUpToDate } from './outdated-models.ts';
import { planAppPorts, planStorePorts } from './processes/port-plan.ts';
import { restoreArchive } from './restore.ts';
import { ensureSecrets } from './secrets.ts';
import { describeFailure } from './start-error.ts';
import { neededPrograms, planStores, type Store } from './stores/stores.ts';
import { supervise, type Supervised } from './processes/supervise.ts';
import { boundedPrinter, step, terminalLine } from './terminal.ts';
import { prepareVideoPrograms } from './stores/video-programs.ts';

export type StackOptions = LocalOptions &
  LocalSettings & {
    env: Record<string, string | undefined>;
    print: (line: string) => void;
    /** Resolves when the person wants everything to stop. */
    signalled: Promise<void>;
  };

type Run = {
  options: StackOptions;
  children: Children;
  /** The processes that run by now, in the order of starting. */
  apps: Supervised[];
  /** Aborted when everything is to stop: nothing is started or started again after that. */
  stopping: AbortController;
  /** True once everything is up: until then a process that fails is reported once, by its own StartError. */
  ready: boolean;
};

/**
 * Brings everything up, prints where it is, and waits for the signal; then stops it, the processes before their stores.
 * Rejects (after stopping what ran already) with a StartError when something cannot be had.
 */
export async function runStack(options: StackOptions): Promise<void> {
  const { dataDir, print, signalled } = options;
  const registry = openChildRegistry(dataDir);
  const run: Run = {
    options,
    children: createChildren(dataDir, registry),
    apps: [],
    stopping: new AbortController(),
    ready: false,
  };
  const up = endLeftovers(run, registry).then(() => startAll(run));
  // After a signal during the start this rejects once its children are stopped, and nobody waits for it any more.
  up.catch(() => undefined);
  try {
    await Promise.race([up, signalled]);
    await signalled;
    print('Stopping');
  } finally {
    await stopAll(run);
  }
  print('Stopped; the data stays in ' + dataDir);
}

async function endLeftovers({ options: { dataDir, print }, stopping }: Run, registry: ChildRegistry): Promise<void> {
  const leftovers = await registry.endLeftovers();
  if (leftovers.length > 0) print(`Ended what an earlier run had left behind: ${leftovers.join(', ')}`);
  removeAddresses(dataDir);
  stopping.signal.throwIfAborted();
}

async function startAll(run: Run): Promise<void> {
  const { options, children } = run;
  const { dataDir, print } = options;
  const started = performance.now();
  const env = withoutEmpty(options.env);
  const ports = await planAppPorts(options.ports, options.host);
  const { secrets, created } = ensureSecrets(dataDir, options.restore === undefined ? undefined : env['MASTER_KEY']);
  print(`Shutterlog in ${dataDir}`);
  if (created)
    print(`  Made random secrets in ${join(dataDir, 'secrets')}: keep a copy, losing them loses all personal data`);
  await startSupervisedGuard(run);
  await installMissing(neededPrograms(env), { children, print });
  const stores = planStores({ dataDir, children, secrets, env, print, ports: await planStorePorts(dataDir) });
  prepareVideoPrograms(env['VIDEO_UPLOADS'], print);
  await Promise.all([
    checkOthers(env),
    ...[stores.postgres, stores.redis, stores.eventStore].map((store) => startStore(run, store)),
  ]);

  const input: AppEnvironmentInput = {
    env,
    secrets,
    ports,
    host: options.host,
    publicUrl: options.publicUrl,
    dataDir,
    stores: { DATABASE_URL: stores.postgres.url, REDIS_URL: stores.redis.url, EVENTSTORE_URL: stores.eventStore.url },
  };
  const { environment, shared } = appEnvironment(input);
  const urls = appUrls(ports, options.host);
  const { restore } = options;
  if (restore !== undefined)
    await step('restore', print, async () => ({
      result: undefined,
      detail: await restoreArchive(restore, { children, env: environment }),
    }));
  // Stores that are new hold no model of an earlier release, and the projector makes the first ones.
  if (!created || restore !== undefined)
    await step('read models', print, async () => ({
      result: undefined,
      detail: await bringModelsUpToDate({ children, env: environment }),
    }));
  await Promise.all(
    APP_NAMES.filter((name) => name !== 'edge').map((name) => startSupervised(run, name, { env: environment, ports })),
  );
  await startSupervised(run, 'edge', { env: environment, ports });
  writeAddresses(dataDir, {
    edgeUrl: urls.edge,
    writeApiUrl: urls['write-api'],
    readApiUrl: urls['read-api'],
    projectorUrl: urls.projector,
    reactorUrl: urls.reactor,
    environment: shared,
  });
  await makeDemoWorld(run, {
    ...environment,
    WRITE_API_URL: urls['write-api'],
    READ_API_URL: urls['read-api'],
    EDGE_URL: urls.edge,
  });
  run.ready = true;
  printSummary(options, urls, performance.now() - started);
}

async function startSupervisedGuard({ options: { dataDir, print }, children, stopping }: Run): Promise<void> {
  await supervise('guard', { start: () => startGuard(dataDir, children), say: print, signal: stopping.signal });
}

async function startStore({ options: { print }, stopping }: Run, store: Store): Promise<void> {
  await step(store.name, print, async () => {
    if ('check' in store) await store.check();
    else await supervise(store.name, { start: store.start, say: print, signal: stopping.signal });
    return { result: undefined, detail: store.shown };
  });
}

async function startSupervised(
  run: Run,
  name: AppName,
  { env, ports }: { env: Record<string, string>; ports: Ports },
): Promise<void> {
  const { options, children, apps, stopping } = run;
  const url = appUrls(ports, options.host)[name];
  const toTerminal = boundedPrinter(options.print, children.logFile(name));
  const onLine = (line: string) => {
    const shown = run.ready ? terminalLine(name, line) : undefined;
    if (shown !== undefined) toTerminal(shown);
  };
  const args = name === 'edge' ? edgeArgs({ host: options.host, dataDir: options.dataDir, ports }) : [];
  const start = (): Promise<Child> => startApp(name, { children, env, url, onLine, args });
  await step(name, options.print, async () => {
    apps.push(await supervise(name, { start, say: options.print, signal: stopping.signal }));
    return { result: undefined, detail: url };
  });
}

async function makeDemoWorld({ options, children }: Run, env: Record<string, string>): Promise<void> {
  const { dataDir, empty, print } = options;
  if (readDemoWorld(dataDir) !== undefined) return;
  if (empty) {
    declineDemoWorld(dataDir);
    return;
  }
  if (!canCreateDemoWorld()) return;
  try {
    await step('demo world', print, async () => ({
      result: await createDemoWorld(dataDir, { children, env, print }),
      detail: 'made for the first start; --empty goes without',
    }));
  } catch (error) {
    // Everything else works: an empty network is a better start than none.
    print(describeFailure(error));
  }
}

function printSummary({ dataDir, print }: StackOptions, urls: Record<AppName, string>, tookMs: number): void {
  const world = readDemoWorld(dataDir);
  print(`Ready in ${(tookMs / 1000).toFixed(1)} s`);
  print(`  Everything   ${urls.edge}  (documentation: ${urls.edge}/docs)`);
  print(`  Write API    ${urls['write-api']}`);
  print(`  Read API     ${urls['read-api']}`);
  print(`  Projector    ${urls.projector}`);
  print(`  Reactor      ${urls.reactor}`);
  if (world?.state === 'created') print(`  Demo login   ${world.login.username} / ${world.login.password}`);
  print('Ctrl-C stops everything');
}

async function stopAll({ options, children, apps, stopping }: Run): Promise<void> {
  stopping.abort();
  removeAddresses(options.dataDir);
  const [edge, ...others] = [...apps].reverse();
  await edge?.stop();
  await Promise.all(others.map((app) => app.stop()));
  await children.close();
}
