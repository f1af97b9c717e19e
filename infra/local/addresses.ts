import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writePrivateFile } from './files.ts';
import { readSecrets } from './secrets.ts';

const Addresses = z.object({
  edgeUrl: z.url(),
  writeApiUrl: z.url(),
  readApiUrl: z.url(),
  projectorUrl: z.url(),
  reactorUrl: z.url(),
  /** The variables that the processes were started with (stores, ports, folders), without MASTER_KEY and JWT_SECRET. */
  environment: z.record(z.string(), z.string()),
});

/** Where the parts of a running stack are. */
export type Addresses = z.infer<typeof Addresses>;

const fileOf = (dataDir: string) => join(dataDir, 'addresses.json');

/**
 * The addresses of the stack that runs on a data directory, or undefined when none does. Throws when the file is
 * damaged.
 */
export function readAddresses(dataDir: string): Addresses | undefined {
  return readJsonFile(fileOf(dataDir), Addresses);
}

/**
 * The environment variables, secrets included, under which a command works on the stack of a data directory; empty when
 * nothing runs there. What the caller's own environment says wins: `readConfig({ ...localEnvironment(dir),
 * ...process.env })`.
 */
export function localEnvironment(dataDir: string): Record<string, string> {
  const addresses = readAddresses(dataDir);
  if (addresses === undefined) return {};
  const secrets = readSecrets(dataDir);
  return {
    ...addresses.environment,
    ...(secrets === undefined ? {} : { MASTER_KEY: secrets.MASTER_KEY, JWT_SECRET: secrets.JWT_SECRET }),
  };
}

/** Leaves the addresses for commands to find, readable by the owner alone: store addresses carry passwords. */
export function writeAddresses(dataDir: string, addresses: Addresses): void {
  writePrivateFile(fileOf(dataDir), `${JSON.stringify(addresses, null, 2)}\n`);
}

/** Takes the addresses away when the stack has stopped. */
export function removeAddresses(dataDir: string): void {
  rmSync(fileOf(dataDir), { force: true });
}
