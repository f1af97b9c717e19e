import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROJECT_ROOT } from '../../infra/local/apps.ts';
import { createTestDatabase } from '../../testing/postgres.ts';
import { startServer } from '../event-store/processes.ts';
import { fastest, load, type Load } from './load.ts';
import type { Models } from './models.ts';

// Five hundred packages for one comparison: fetched when it is run, not with every installation.
const PACKAGE = '@atproto/bsky';
const VERSION = '0.0.280';
const FOLDER = join(PROJECT_ROOT, '.data/bench-bsky');
const INSTALLATION_LIMIT_MS = 900_000;

type Options = {
  readonly viewers: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly directory: string;
};

/**
 * Reads timelines of 20 from Bluesky's dataplane over the same accounts, follows and posts; undefined, with a line,
 * when it cannot be had.
 */
export async function measureBluesky(
  { pool, builds }: Models,
  { viewers, directory, rounds, ...options }: Options,
): Promise<Load | undefined> {
  if (!(await isInstalled())) return undefined;
  const database = await createTestDatabase();
  try {
    const graph = join(directory, 'graph.json');
    const { rows: follows } = await pool.query(
      `select follower_id as a, followee_id as b from ${builds.schema('follows')}.follow`,
    );
    const { rows: posts } = await pool.query(
      `select post_id as id, author_id as author, published_at as at from ${builds.schema('posts')}.post`,
    );
    await writeFile(graph, JSON.stringify({ follows, posts }));
    const callers = join(directory, 'actors');
    await writeFile(callers, viewers.join('\n'));
    const server = await startServer('../feed/bluesky.child.ts', [
      join(FOLDER, 'node_modules', PACKAGE, 'dist/index.js'),
      database.url,
      graph,
    ]);
    try {
      const asked = { url: server.url, callers, peer: true, ...options };
      await load({ ...asked, seconds: 0 });
      const first = await load(asked);
      const others: Load[] = [];
      for (let round = 1; round < rounds; round += 1) others.push(await load(asked));
      return fastest([first, ...others]);
    } finally {
      await server.stop();
    }
  } finally {
    await database.drop();
  }
}

async function isInstalled(): Promise<boolean> {
  if (existsSync(join(FOLDER, 'node_modules', PACKAGE))) return true;
  console.log(`fetching ${PACKAGE} ${VERSION} to compare with`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, 'package.json'), '{ "private": true }');
  try {
    await promisify(execFile)(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', `${PACKAGE}@${VERSION}`],
      { cwd: FOLDER, timeout: INSTALLATION_LIMIT_MS },
    );
    return true;
  } catch (error) {
    console.log(
      `skipped: ${PACKAGE} cannot be fetched (${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)})`,
    );
    return false;
  }
}
