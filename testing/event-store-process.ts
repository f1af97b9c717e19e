import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An embedded event store in a process of its own, for tests of what a frozen or killed server does to its clients. */
export type EventStoreProcess = {
  readonly url: string;
  readonly port: number;
  /** Stops the process where it stands: its connections stay, and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it with SIGKILL; what it held in memory is gone. */
  kill(): Promise<void>;
};

const NODE = fileURLToPath(new URL('../infra/event-store-node/main.ts', import.meta.url));

/** Starts one on a directory, on any free port or the given one; rejects when it does not come up. */
export async function startEventStoreProcess(dataDir: string, port = 0): Promise<EventStoreProcess> {
  const child = spawn(process.execPath, [NODE, '--port', String(port), '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await readyUrl(child);
  return {
    url,
    port: Number(/:(\d+)\?/.exec(url)?.[1]),
    freeze: () => {
      child.kill('SIGSTOP');
    },
    thaw: () => {
      child.kill('SIGCONT');
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function readyUrl(child: ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> }): Promise<string> {
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /esdb:\/\/\S+/.exec(line)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error('the event store did not start');
}
