import { z } from 'zod';

const LogLine = z.object({
  level: z.number(),
  msg: z.string().optional(),
  err: z.object({ message: z.string() }).optional(),
});
type Entry = z.infer<typeof LogLine>;
const WARN = 40;
const ERROR = 50;
const LEVELS: Record<number, string> = { 40: 'warn', 50: 'error', 60: 'fatal' };
const NAME_WIDTH = 13;
const WINDOW_MS = 1_000;
const MOST_IN_WINDOW = 10;

/**
 * What a line of a process's output means to the person at the terminal: a short line, or undefined when it stays in
 * the log.
 */
export function terminalLine(name: string, line: string): string | undefined {
  if (line.trim() === '') return undefined;
  const entry = parseEntry(line);
  if (entry === undefined) return `${name}: ${line}`;
  return entry.level < WARN ? undefined : `${name}: ${LEVELS[entry.level] ?? 'warn'}: ${describe(entry)}`;
}

/** The message of a structured line that reports an error, with its reason; undefined for any other line. */
export function loggedTrouble(line: string): string | undefined {
  const entry = parseEntry(line);
  return entry === undefined || entry.level < ERROR ? undefined : describe(entry);
}

function describe({ msg, err }: Entry): string {
  return `${msg ?? ''}${err === undefined ? '' : ` (${err.message})`}`;
}

function parseEntry(line: string): Entry | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return LogLine.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** Passes at most ten lines a second on, and then says where the rest is: a flood would hide what matters. */
export function boundedPrinter(
  print: (line: string) => void,
  where: string,
  now: () => number = Date.now,
): (line: string) => void {
  let windowStart = 0;
  let printed = 0;
  return (line) => {
    if (now() - windowStart >= WINDOW_MS) {
      windowStart = now();
      printed = 0;
    }
    printed += 1;
    if (printed <= MOST_IN_WINDOW) print(line);
    else if (printed === MOST_IN_WINDOW + 1) print(`… more in ${where}`);
  };
}

/** Runs one step of the start and prints a line with its name, its outcome and how long it took. */
export async function step<T>(
  name: string,
  print: (line: string) => void,
  work: () => Promise<{ result: T; detail: string }>,
): Promise<T> {
  const started = performance.now();
  const { result, detail } = await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(2);
  print(`  ${name.padEnd(NAME_WIDTH)} ready  ${seconds.padStart(6)} s  ${detail}`);
  return result;
}
