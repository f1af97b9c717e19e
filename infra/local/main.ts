import { lockDirectory } from './processes/directory-lock.ts';
import { readOptions, readSettings } from './options.ts';
import { runStack } from './stack.ts';
import { describeFailure } from './start-error.ts';

// A terminal that has gone away must not turn an orderly stop into a crash.
process.stdout.on('error', () => undefined);
const print = (line: string) => {
  console.log(line);
};
const signalled = new Promise<void>((resolve) => {
  // Under nohup a closing terminal is not an order to stop; its output is a file then.
  const signals = process.stdout.isTTY ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGINT', 'SIGTERM'] as const);
  for (const signal of signals)
    process.on(signal, () => {
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
