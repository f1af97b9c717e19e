import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writePrivateFile } from '../files.ts';
import type { Ports } from '../options.ts';
import { freePort, isPortFree, portHolder } from './ports.ts';
import { StartError } from '../start-error.ts';

const StorePorts = z.object({ postgres: z.number(), redis: z.number(), eventStore: z.number() });
/** Ports of the private stores: chosen free, and the same again at the next start when they still are. */
export type StorePorts = z.infer<typeof StorePorts>;

const EVENT_STORE_PORT = 2113;

/** Chooses the ports of the stores and remembers them in the data directory. */
export async function planStorePorts(dataDir: string): Promise<StorePorts> {
  const path = join(dataDir, 'ports.json');
  const known = readJsonFile(path, StorePorts);
  const ports = {
    postgres: await freePort(known?.postgres),
    redis: await freePort(known?.redis),
    eventStore: await freePort(known?.eventStore ?? EVENT_STORE_PORT),
  };
  writePrivateFile(path, JSON.stringify(ports));
  return ports;
}

/**
 * Gives every process its port: the one that the environment or the contract names, any free one for 0.
 * Throws StartError that names who holds a port already, or two processes that were given the same one.
 */
export async function planAppPorts(wanted: Ports, host: string): Promise<Ports> {
  const planned: Ports = { ...wanted };
  const names = ['PORT', 'WRITE_API_PORT', 'READ_API_PORT', 'PROJECTOR_PORT', 'REACTOR_PORT'] as const;
  for (const name of names) {
    const twin = names.find((other) => other !== name && wanted[name] !== 0 && wanted[other] === wanted[name]);
    if (twin !== undefined)
      throw new StartError(`${name} and ${twin} are both ${wanted[name]}: give each its own port`);
    if (wanted[name] === 0) planned[name] = await freePort();
    else if (!(await isPortFree(wanted[name], host))) throw new StartError(takenPort(name, wanted[name]));
  }
  return planned;
}

function takenPort(name: string, port: number): string {
  const holder = portHolder(port);
  return `port ${port} (${name}) is taken${holder === undefined ? '' : ` by ${holder}`}: stop that program, or set ${name} to another port`;
}
