import { lockDirectory } from './processes/directory-lock.ts';
import { readOptions, readSettings } from './options.ts';
import { runStack } from './stack.ts';
import { describeFailure } from './start-error.ts';

/** A second order after this long ends the supervisor at once; its children then end by themselves. */
const REPEATED_WITHIN_MS = 1_000;
/** What still holds the event loop this long after everything has stopped does not keep the supervisor. */
const LINGER_MS = 2_000;

// A terminal that has gone away must not turn an orderly stop into a crash.
process.stdout.on('error', () => undefined);
const print = (line: string) => {
  console.log(line);
};
let orderedAt: number | undefined;
const signalled = new Promise<void>((resolve) => {
  // Under nohup a closing terminal is not an order to stop; its output is a file then.
  const signals = process.stdout.isTTY ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGINT', 'SIGTERM'] as const);
  for (const signal of signals)
    process.on(signal, () => {
      orderedAt ??= performance.now();
      // npm repeats the Ctrl-C that a terminal has already sent to both; somebody who presses it again means it.
      if (performance.now() - orderedAt > REPEATED_WITHIN_MS) process.exit(1);
      resolve();
    });
});

try {
  const options = readOptions(process.argv.slice(2));
  const settings = readSettings(process.env);
  const unlock = lockDirectory(options.dataDir);
  try {
    await runStack({ ...options, ...settings, env: process.env, print, signalled });
  } finally {
    unlock();
  }
} catch (error) {
  console.error(describeFailure(error));
  process.exitCode = 1;
}
setTimeout(() => process.exit(), LINGER_MS).unref();
