import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextFile, writePrivateFile } from './files.ts';
import { StartError } from './start-error.ts';

const Secrets = z.object({
  /** 32 bytes in base64: wraps the data keys of accounts. */
  MASTER_KEY: z.string().min(1),
  JWT_SECRET: z.string().min(32),
  /** Of the private PostgreSQL and Redis, which every user of the machine could reach otherwise. */
  POSTGRES_PASSWORD: z.string().min(1),
  REDIS_PASSWORD: z.string().min(1),
});
export type Secrets = z.infer<typeof Secrets>;

const fileOf = (dataDir: string) => join(dataDir, 'secrets');

/** The secrets of a data directory, or undefined when it has none. Throws StartError when the file is damaged. */
export function readSecrets(dataDir: string): Secrets | undefined {
  const path = fileOf(dataDir);
  const text = readTextFile(path);
  if (text === undefined) return undefined;
  const pairs = text
    .split('\n')
    .filter((line) => line.includes('='))
    .map((line): [string, string] => {
      const end = line.indexOf('=');
      return [line.slice(0, end), line.slice(end + 1)];
    });
  const parsed = Secrets.safeParse(Object.fromEntries(pairs));
  if (!parsed.success)
    throw new StartError(`${path} is damaged: restore it from a copy (without it personal data cannot be read)`);
  return parsed.data;
}

/**
 * The secrets of a data directory, made at random on its first use (`created`) and kept in `secrets`, for its owner
 * alone.
 * `masterKey` is that of an archive which the new directory begins with: later starts must find it there too. Throws
 * StartError when the directory holds data whose secrets have gone: new ones could not read them.
 */
export function ensureSecrets(dataDir: string, masterKey?: string): { secrets: Secrets; created: boolean } {
  const known = readSecrets(dataDir);
  if (known !== undefined) return { secrets: known, created: false };
  if (existsSync(join(dataDir, 'postgres'))) {
    throw new StartError(
      `${fileOf(dataDir)} is missing but ${dataDir} holds data: restore the file, or remove the directory to start over`,
    );
  }
  const secrets: Secrets = {
    MASTER_KEY: masterKey ?? randomBytes(32).toString('base64'),
    JWT_SECRET: randomBytes(48).toString('base64url'),
    POSTGRES_PASSWORD: randomBytes(24).toString('hex'),
    REDIS_PASSWORD: randomBytes(24).toString('hex'),
  };
  writePrivateFile(
    fileOf(dataDir),
    Object.entries(secrets)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  return { secrets, created: true };
}
