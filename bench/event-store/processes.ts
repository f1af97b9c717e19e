import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { startScript } from '../child.ts';

/** A server process of the benchmark. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

function script(name: string): URL {
  return new URL(name, import.meta.url);
}

/** Starts a server process and waits for the line that carries its address. Rejects if it ends before. */
export async function startServer(file: string, args: readonly string[]): Promise<ServerProcess> {
  const child = startScript(script(file), args);
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
  const child = startScript(script(file), args.map(String));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  const result = Number(output.trim().split('\n').at(-1));
  if (child.exitCode !== 0 || !Number.isFinite(result)) throw new Error(`${file} failed: ${output}`);
  return result;
}
