import { parseArgs } from 'node:util';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { z } from 'zod';
import { startEventStoreNode } from './server.ts';
import type { EventStoreNode } from './server.ts';

const HELP = `Runs the embedded event store: EventStoreDB's gRPC protocol, one node, no TLS, no passwords.

Usage: npm run eventstore -- [--port PORT] [--data-dir DIR] [--host ADDRESS]

  --port PORT      port to listen on (2113; 0 takes any free one)
  --data-dir DIR   directory of the log, created if it is missing (.data/event-store)
  --host ADDRESS   address to listen on (127.0.0.1)
  --help           this text

Clients connect with the address that is printed. Exit codes: 0 stopped, 1 could not start, 2 wrong use.
`;

const OptionsSchema = z.object({
  port: z.coerce
    .number('--port must be a number')
    .int('--port must be a whole number')
    .min(0)
    .max(65_535, '--port must be below 65536'),
  'data-dir': z.string().min(1, '--data-dir must not be empty'),
  host: z.string().min(1, '--host must not be empty'),
});

const EXIT = { failed: 1, misused: 2 };

class MisuseError extends Error {
  override readonly name = 'MisuseError';
}

function readOptions(args: string[]): z.infer<typeof OptionsSchema> | 'help' {
  const { values } = parseArguments(args);
  if (values.help === true) return 'help';
  const options = OptionsSchema.safeParse(values);
  if (!options.success) throw new MisuseError(options.error.issues.map((issue) => issue.message).join('; '));
  return options.data;
}

function parseArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        port: { type: 'string', default: '2113' },
        'data-dir': { type: 'string', default: '.data/event-store' },
        host: { type: 'string', default: '127.0.0.1' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new MisuseError(`${messageOf(error).split('. ')[0] ?? ''} (see --help)`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Says in one line what stands in the way of a start. */
function explain(error: unknown, options: { host: string; port: number; 'data-dir': string }): string {
  const message = messageOf(error);
  if (message.includes('EADDRINUSE')) return `port ${options.port} on ${options.host} is taken`;
  if (message.includes('EADDRNOTAVAIL') || message.includes('ENOTFOUND'))
    return `this machine has no address ${options.host}`;
  if (/EACCES|EROFS|EPERM|ENOENT|Permission denied/.test(message))
    return `the data directory ${options['data-dir']} cannot be written`;
  if (/EEXIST|ENOTDIR|Not a directory/.test(message)) return `${options['data-dir']} is not a directory`;
  return message.split('\n')[0] ?? message;
}

function stopOnSignal(node: EventStoreNode): void {
  const stop = (): void => {
    void node.close().then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/** Starts the node, or gives the exit code with which there is none. */
async function run(args: string[]): Promise<number | undefined> {
  const options = readOptions(args);
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    const log = (message: string): void => void process.stderr.write(`event store: ${message}\n`);
    const node = await startEventStoreNode({
      dataDir: options['data-dir'],
      port: options.port,
      host: options.host,
      log,
    });
    stopOnSignal(node);
    process.stdout.write(`event store ready: ${node.url} (log in ${options['data-dir']})\n`);
    return undefined;
  } catch (error) {
    process.stderr.write(`event store: ${explain(error, options)}\n`);
    return EXIT.failed;
  }
}

// A refused start is told in one line, below; the library would add its own.
setLogVerbosity(logVerbosity.NONE);
try {
  const exitCode = await run(process.argv.slice(2));
  if (exitCode !== undefined) process.exit(exitCode);
} catch (error) {
  process.stderr.write(`event store: ${messageOf(error)}\n`);
  process.exit(error instanceof MisuseError ? EXIT.misused : EXIT.failed);
}
