import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, readConfig } from '../process/config.ts';
import { StartError } from './start-error.ts';

export type LocalOptions = {
  dataDir: string;
  empty: boolean;
  /** The archive to begin with, of `shutterlog events export`. */
  restore: string | undefined;
};

/** Reads the arguments of `npm start`. Throws StartError with the usage when they are wrong. */
export function readOptions(args: string[]): LocalOptions {
  try {
    const { values } = parseArgs({
      args,
      options: {
        'data-dir': { type: 'string', default: '.data' },
        empty: { type: 'boolean', default: false },
        restore: { type: 'string' },
      },
    });
    return {
      dataDir: resolve(values['data-dir']),
      empty: values.empty || values.restore !== undefined,
      restore: values.restore === undefined ? undefined : resolve(values.restore),
    };
  } catch (error) {
    throw new StartError(
      `${error instanceof Error ? error.message : String(error)}\nusage: npm start -- [--empty] [--data-dir DIR] [--restore ARCHIVE]`,
    );
  }
}

/** Stand-ins for what the start provides by itself, so that only what the person wrote is judged. */
const PROVIDED = {
  EVENTSTORE_URL: 'esdb://127.0.0.1:2113?tls=false',
  DATABASE_URL: 'postgres://127.0.0.1/shutterlog',
  REDIS_URL: 'redis://127.0.0.1',
  JWT_SECRET: '0'.repeat(32),
  MASTER_KEY: Buffer.alloc(32).toString('base64'),
};

export type Ports = {
  PORT: number;
  WRITE_API_PORT: number;
  READ_API_PORT: number;
  PROJECTOR_PORT: number;
  REACTOR_PORT: number;
};
export type LocalSettings = { ports: Ports; host: string; publicUrl: string | undefined };

/** Checks the environment before anything starts. Throws StartError with one line for each wrong value. */
export function readSettings(env: Record<string, string | undefined>): LocalSettings {
  try {
    const config = readConfig({ ...PROVIDED, ...withoutEmpty(env) });
    const { PORT, WRITE_API_PORT, READ_API_PORT, PROJECTOR_PORT, REACTOR_PORT } = config;
    return {
      ports: { PORT, WRITE_API_PORT, READ_API_PORT, PROJECTOR_PORT, REACTOR_PORT },
      host: config.HOST,
      publicUrl: config.PUBLIC_URL,
    };
  } catch (error) {
    if (error instanceof ConfigError) throw new StartError(error.message);
    throw error;
  }
}

/** The environment without variables that are set to nothing, which mean the same as absent ones. */
export function withoutEmpty(env: Record<string, string | undefined>): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined && value !== '') given[name] = value;
  return given;
}
