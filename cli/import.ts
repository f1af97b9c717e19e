import type { Command } from 'commander';
import { createHash } from 'node:crypto';
import { Username } from '../domain/account-events.ts';
import { signOperatorToken } from '../infra/auth/jwt.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import { createApiClient } from './import/api-client.ts';
import { readGraph, type Graph } from './import/graph.ts';
import { readPhotos } from './import/photos.ts';
import { createSessions } from './import/sessions.ts';
import { importAccounts, importFollows, importPosts, waitForPosts, type Import, type Outcome } from './import/steps.ts';
import type { Run } from './context.ts';
import { showProgress } from './progress.ts';

type ImportOptions = {
  graph: string;
  undirected?: boolean;
  photos?: string;
  posts: string;
  prefix: string;
  password?: string;
  concurrency: string;
  json?: boolean;
};

/** `import`: brings a social graph and photos in through the public write API, as a client would. */
export function registerImport(program: Command, run: Run): void {
  program
    .command('import')
    .description('import accounts, follows and photo posts through the public write API; run it again to resume')
    .requiredOption('--graph <file>', 'edge list: "a b" on a line means that a follows b')
    .option('--undirected', 'an edge means two follows, one each way')
    .option('--photos <folder>', 'photos to post, used in turn')
    .option('--posts <count>', 'how many posts to make, spread over the accounts', '0')
    .option('--prefix <text>', 'start of the imported user names', 'person.')
    .option('--password <text>', 'the password of all imported accounts; made from the secrets and printed when absent')
    .option('--concurrency <count>', 'requests at a time', '16')
    .option('--json', 'progress and result as JSON lines')
    .action((options: ImportOptions) => run((context) => importGraph(context, options)));
}

async function importGraph(context: CliContext, options: ImportOptions): Promise<ExitCode> {
  const posts = wholeNumber(options.posts, '--posts', { least: 0, most: 1_000_000 });
  const width = wholeNumber(options.concurrency, '--concurrency', { least: 1, most: 256 });
  if (!/^[a-z0-9._]{1,10}$/.test(options.prefix))
    throw new CliError('--prefix takes 1 to 10 of a-z, 0-9, dot and underscore', 2);
  if (posts > 0 && options.photos === undefined)
    throw new CliError('--posts needs --photos, a folder with photos to post', 2);
  const graph = await readGraph(options.graph, { undirected: options.undirected === true });
  const usernameOf = usernames(graph, options.prefix);
  const photos = options.photos === undefined ? [] : readPhotos(options.photos);
  const config = context.config();
  const password =
    options.password ?? createHash('sha256').update(`import ${config.JWT_SECRET}`).digest('base64url').slice(0, 20);
  const job = jobOf(context, { usernameOf, password, prefix: options.prefix, width, json: options.json === true });
  try {
    const done = await runImport(job, { graph, photos, posts });
    report({ ...done, login: { username: usernameOf(graph.people[0] ?? ''), password } }, options.json === true);
    return 0;
  } catch (error) {
    if (context.signal.aborted) throw new CliError('stopped; run the same command again to go on');
    throw error;
  }
}

function jobOf(
  context: CliContext,
  { json, password, ...given }: Pick<Import, 'usernameOf' | 'prefix' | 'width'> & { password: string; json: boolean },
): Import {
  const { HOST, WRITE_API_PORT, READ_API_PORT, JWT_SECRET } = context.config();
  const options = { operatorToken: () => signOperatorToken(JWT_SECRET, new Date()), signal: context.signal };
  const write = createApiClient(`http://${HOST}:${WRITE_API_PORT}`, options);
  return {
    ...given,
    write,
    read: createApiClient(`http://${HOST}:${READ_API_PORT}`, options),
    sessions: createSessions(write, { usernameOf: given.usernameOf, password }),
    signal: context.signal,
    progress: (step, unit) => showProgress(step, { unit, json }),
  };
}

type Work = { readonly graph: Graph; readonly photos: ReturnType<typeof readPhotos>; readonly posts: number };

async function runImport(job: Import, { graph, photos, posts }: Work): Promise<{ steps: Step[]; outcome: Outcome }> {
  const timed = stopwatch();
  await timed('accounts', async () => {
    await importAccounts(job, graph.people);
    return graph.people.length;
  });
  await timed('follows', async () => graph.follows.length - (await importFollows(job, graph)));
  let outcome: Outcome = { ready: 0, rejected: new Map() };
  await timed('posts published', async () => {
    outcome = await waitForPosts(job, await importPosts(job, { photos, authors: graph.people, posts }));
    return posts;
  });
  return { steps: timed.steps, outcome };
}

// Refused before anything is written: a name that the API would refuse after half of the import.
function usernames(graph: Graph, prefix: string): (person: string) => string {
  const usernameOf = (person: string) => `${prefix}${person}`.toLowerCase();
  const taken = new Map<string, string>();
  for (const person of graph.people) {
    const username = usernameOf(person);
    const other = taken.get(username);
    if (other !== undefined) throw new CliError(`${other} and ${person} would have the same user name ${username}`, 2);
    if (!Username.safeParse(username).success)
      throw new CliError(
        `${username} cannot be a user name (3 to 30 of a-z, 0-9, dot and underscore): choose another --prefix`,
        2,
      );
    taken.set(username, person);
  }
  return usernameOf;
}

type Step = { step: string; count: number; seconds: number; perSecond: number };
/** Times one step; `work` gives how many things it made. */
type Stopwatch = { (step: string, work: () => Promise<number>): Promise<void>; steps: Step[] };

function stopwatch(): Stopwatch {
  const steps: Step[] = [];
  const timed = async (step: string, work: () => Promise<number>): Promise<void> => {
    const started = performance.now();
    const count = await work();
    const seconds = (performance.now() - started) / 1_000;
    steps.push({
      step,
      count,
      seconds: Number(seconds.toFixed(1)),
      perSecond: seconds === 0 ? 0 : Number((count / seconds).toPrecision(3)),
    });
  };
  return Object.assign(timed, { steps });
}

type Result = {
  readonly steps: Step[];
  readonly outcome: Outcome;
  readonly login: { readonly username: string; readonly password: string };
};

function report({ steps, outcome: { ready, rejected }, login }: Result, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ steps, ready, rejected: Object.fromEntries(rejected), login }));
    return;
  }
  for (const { step, count, seconds, perSecond } of steps)
    console.log(`${step.padEnd(16)} ${String(count).padStart(9)} in ${seconds} s, ${perSecond}/s`);
  console.log(`${ready} posts are published`);
  for (const [reason, count] of rejected) console.log(`${count} rejected, ${reason}`);
  console.log(`Log in as ${login.username} with ${login.password}`);
}

function wholeNumber(text: string, option: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new CliError(`${option} takes a whole number from ${least} to ${most}, not ${text}`, 2);
  return value;
}
