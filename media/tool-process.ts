import { spawn } from 'node:child_process';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';

export interface ToolRun {
  readonly program: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** How a program ended. `missing`: it is not installed. `stopped`: it ran out of time or was called off. */
export type ToolEnd =
  | { readonly kind: 'done'; readonly output: string; readonly complaint: string }
  | { readonly kind: 'failed'; readonly complaint: string }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'missing' };

/** More output than this is no answer that we asked for; the longest is the list of a video's packets. */
const MAX_OUTPUT = 2_000_000;

/** Address space of one program in KiB: video decoders are fed by strangers. */
const MAX_MEMORY_KIB = 4 * 1024 * 1024;

/** Shells answer 127 for a program that is not there. */
const NOT_FOUND = 127;

/** The shell sets the limit where the system knows it, then becomes the program, so that a kill reaches it. */
const LIMITED = `ulimit -v ${String(MAX_MEMORY_KIB)} 2>/dev/null; exec "$@"`;

/**
 * Runs a program to its end, bounded in time and memory, with no environment but a search path and no input.
 * An unsuccessful end is a value; a rejection means that no process could be started at all.
 */
export function runTool({ program, args, timeoutMs, signal }: ToolRun): Promise<ToolEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', LIMITED, 'sh', program, ...args], {
      env: { PATH: '/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
    });
    let output = '';
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > MAX_OUTPUT) child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4_000);
    });
    child.once('error', (error) => {
      if (error.name === 'AbortError') resolve({ kind: 'stopped' });
      else reject(error);
    });
    child.once('close', (code, ending) => {
      if (code === 0) resolve({ kind: 'done', output, complaint });
      else if (code === NOT_FOUND) resolve({ kind: 'missing' });
      else if (ending === 'SIGKILL') resolve({ kind: 'stopped' });
      else resolve({ kind: 'failed', complaint });
    });
  });
}

/** What an unsuccessful end of a video program says about the video. */
export function refusalOf(end: Exclude<ToolEnd, { readonly kind: 'done' }>): MediaRefusal {
  switch (end.kind) {
    case 'failed':
      // Only the conversion of HDR needs a filter that some builds lack.
      return refuse(/no such filter/i.test(end.complaint) ? 'media_hdr_unavailable' : 'media_corrupt');
    case 'stopped':
      return refuse('media_timeout');
    case 'missing':
      return refuse('media_video_unavailable');
    default:
      return end satisfies never;
  }
}
