import type { Command } from 'commander';
import { createHash } from 'node:crypto';
import { signOperatorToken } from '../infra/jwt.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import { createApiClient } from './import/api-client.ts';
import { readGraph } from './import/graph.ts';
import { readPhotos } from './import/photos.ts';
import { importAccounts, importFollows, importPosts, waitForPosts, type Import } from './import/steps.ts';
import type { Run } from './main.ts';
import { showProgress } from './progress.ts';

type ImportOptions = { graph: string; undirected?: boolean; photos?: string; posts: string; prefix: string; password?: string; concurrency: string; json?: boolean };

/** `import`: brings a social graph and photos in through the public write API, as a client would. */
export function registerImport(program: Command, run: Run): void {
  program.command('import')
    .description('import accounts, follows and photo posts through the public write API; run it again to resume')
    .requiredOption('--graph <file>', 'edge list: "a b" on a line means that a follows b')
    .option('--undirected', 'an edge means two follows, one each way')
    .option('--photos <folder>', 'photos to post, used in turn')
    .option('--posts <count>', 'how many posts to make, spread over the accounts', '0')
    .option('--prefix <text>', 'start of the imported user names', 'p')
    .option('--password <text>', 'the password of all imported accounts; made from the secrets and printed when absent')
    .option('--concurrency <count>', 'requests at a time', '16')
    .option('--json', 'progress and result as JSON lines')
    .action((options: ImportOptions) => run((context) => importGraph(context, options)));
}

async function importGraph(context: CliContext, options: ImportOptions): Promise<ExitCode> {
  const posts = wholeNumber(options.posts, '--posts', { least: 0, most: 1_000_000 });
  const width = wholeNumber(options.concurrency, '--concurrency', { least: 1, most: 256 });
  if (!/^[a-z0-9._]{1,10}$/.test(options.prefix)) throw new CliError('--prefix takes 1 to 10 of a-z, 0-9, dot and underscore', 2);
  if (posts > 0 && options.photos === undefined) throw new CliError('--posts needs --photos, a folder with photos to post', 2);
  const graph = await readGraph(options.graph, { undirected: options.undirected === true });
  const photos = options.photos === undefined ? [] : readPhotos(options.photos);
  const config = context.config();
  const operator = () => signOperatorToken(config.JWT_SECRET, new Date());
  const password = options.password ?? createHash('sha256').update(`import ${config.JWT_SECRET}`).digest('base64url').slice(0, 20);
  const job: Import = {
    write: createApiClient(`http://${config.HOST}:${config.WRITE_API_PORT}`, operator),
    read: createApiClient(`http://${config.HOST}:${config.READ_API_PORT}`, operator),
    prefix: options.prefix,
    password,
    width,
    signal: context.signal,
    progress: (step, unit) => showProgress(step, { unit, json: options.json === true }),
  };
  const timed = stopwatch();
  const tokens = await timed('accounts', graph.people.length, () => importAccounts(job, graph.people));
  await timed('follows', graph.follows.length, () => importFollows(job, graph, tokens));
  const made = await timed('posts', posts, () => importPosts(job, { photos, authors: graph.people, posts }, tokens));
  const outcome = await timed('publishing', posts, () => waitForPosts(job, made, tokens));
  report({ steps: timed.steps, outcome, login: { username: `${options.prefix}${graph.people[0] ?? ''}`, password } }, options.json === true);
  return 0;
}

type Step = { step: string; count: number; seconds: number; perSecond: number };
type Stopwatch = { <T>(step: string, count: number, work: () => Promise<T>): Promise<T>; steps: Step[] };

function stopwatch(): Stopwatch {
  const steps: Step[] = [];
  const timed = async <T>(step: string, count: number, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    const seconds = (performance.now() - started) / 1_000;
    steps.push({ step, count, seconds: Number(seconds.toFixed(1)), perSecond: seconds === 0 ? 0 : Math.round(count / seconds) });
    return result;
  };
  return Object.assign(timed, { steps });
}

function report(result: { steps: Step[]; outcome: { ready: number; rejected: number }; login: { username: string; password: string } }, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(result));
    return;
  }
  for (const { step, count, seconds, perSecond } of result.steps) console.log(`${step.padEnd(12)} ${String(count).padStart(9)} in ${seconds} s, ${perSecond}/s`);
  console.log(`${result.outcome.ready} posts published, ${result.outcome.rejected} rejected`);
  console.log(`Log in as ${result.login.username} with ${result.login.password}`);
}

function wholeNumber(text: string, option: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw new CliError(`${option} takes a whole number from ${least} to ${most}, not ${text}`, 2);
  return value;
}
