import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A server process of the benchmark. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Starts a server process and waits for the line that carries its address. Rejects if it ends before. */
export async function startServer(file: string, args: readonly string[]): Promise<ServerProcess> {
  const child = spawn(process.execPath, [script(file), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) {
    const url = /(\w+:\/\/\S+)/.exec(line)?.[1];
    if (url !== undefined) return { url, pid: child.pid, stop: () => stop(child) };
  }
  throw new Error(`${file} ended before it was ready`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** Runs a load process to its end; gives the number on its last line. Rejects if it fails. */
export async function runLoad(file: string, args: readonly (string | number)[]): Promise<number> {
  const child = spawn(process.execPath, [script(file), ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  const result = Number(output.trim().split('\n').at(-1));
  if (child.exitCode !== 0 || !Number.isFinite(result)) throw new Error(`${file} failed: ${output}`);
  return result;
}
