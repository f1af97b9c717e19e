import { existsSync, readFileSync } from 'node:fs';
import type { AccountId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';

/** Who follows whom, by place in `accounts`. */
export type Graph = {
  readonly name: string;
  readonly accounts: readonly AccountId[];
  readonly follows: readonly (readonly [follower: number, followee: number])[];
};

const FOLDER = new URL('../../../shared/data/graphs/', import.meta.url);
const GRAPHS = {
  /** Friendships: each edge is two follows. */
  facebook: { file: 'facebook_combined.txt', bothWays: true },
  higgs: { file: 'twitter_higgs.txt', bothWays: false },
} as const;

/** A graph of the shared data; undefined, with a line that says so, where that folder is absent. */
export function sharedGraph(name: keyof typeof GRAPHS): Graph | undefined {
  const { file, bothWays } = GRAPHS[name];
  const place = new URL(file, FOLDER);
  if (!existsSync(place)) {
    console.log(`skipped: no ../shared/data/graphs/${file}`);
    return undefined;
  }
  const places = new Map<string, number>();
  const placeOf = (id: string) => {
    const known = places.get(id);
    if (known !== undefined) return known;
    places.set(id, places.size);
    return places.size - 1;
  };
  const seen = new Set<string>();
  const follows: [number, number][] = [];
  const add = (follower: number, followee: number) => {
    const pair = `${String(follower)} ${String(followee)}`;
    if (follower === followee || seen.has(pair)) return;
    seen.add(pair);
    follows.push([follower, followee]);
  };
  for (const line of readFileSync(place, 'utf8').split('\n')) {
    const [a, b] = line.trim().split(/\s+/);
    if (a === undefined || b === undefined) continue;
    add(placeOf(a), placeOf(b));
    if (bothWays) add(placeOf(b), placeOf(a));
  }
  return { name, accounts: Array.from({ length: places.size }, () => newId.account()), follows };
}

/**
 * A graph in which the first `followers` accounts follow `each` others, spread evenly, for measuring how cost grows.
 */
export function evenGraph({ accounts, followers, each }: { accounts: number; followers: number; each: number }): Graph {
  const follows: [number, number][] = [];
  for (let i = 0; i < followers; i += 1)
    for (let j = 1; j <= each; j += 1) follows.push([i, (i + j * 7_919) % accounts]);
  return {
    name: `${accounts.toLocaleString('en')} accounts, ${String(each)} followed`,
    accounts: Array.from({ length: accounts }, () => newId.account()),
    follows: follows.filter(([a, b]) => a !== b),
  };
}

/** The followers of each account, by place. */
export function audiencesIn({ accounts, follows }: Graph): AccountId[][] {
  const audiences = accounts.map((): AccountId[] => []);
  for (const [follower, followee] of follows) {
    const id = accounts[follower];
    if (id !== undefined) audiences[followee]?.push(id);
  }
  return audiences;
}
