import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { CliError } from '../context.ts';

/** Who follows whom, by the numbers or names that the file uses; each pair once. */
export type Graph = {
  readonly people: readonly string[];
  readonly follows: readonly (readonly [follower: string, followee: string])[];
};

/**
 * Reads an edge list: two names a line with white space between, `#` starts a comment. `a b` means that a follows b,
 * and with `undirected` b follows a as well. Loops and repeated pairs are dropped. Refuses a malformed line by its
 * number.
 */
export async function readGraph(file: string, options: { undirected: boolean }): Promise<Graph> {
  const people = new Set<string>();
  const seen = new Set<string>();
  const follows: [string, string][] = [];
  const add = (follower: string, followee: string) => {
    if (follower === followee || seen.has(`${follower} ${followee}`)) return;
    seen.add(`${follower} ${followee}`);
    follows.push([follower, followee]);
  };
  let number = 0;
  for await (const line of linesOf(file)) {
    number += 1;
    const text = line.replace(/#.*$/, '').trim();
    if (text === '') continue;
    const [a, b, ...rest] = text.split(/\s+/);
    if (a === undefined || b === undefined || rest.length > 0 || !isName(a) || !isName(b)) {
      throw new CliError(
        `${file}:${number}: expected two names of letters, digits, dots or underscores, at most 20 long`,
        2,
      );
    }
    people.add(a).add(b);
    add(a, b);
    if (options.undirected) add(b, a);
  }
  return { people: [...people], follows };
}

const isName = (text: string) => /^[A-Za-z0-9._]{1,20}$/.test(text);

async function* linesOf(file: string): AsyncIterable<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, 2);
  }
}
