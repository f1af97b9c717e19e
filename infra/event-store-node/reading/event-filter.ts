import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import { translateDotNetRegex } from './dotnet-regex.ts';
import { UnsupportedPatternError } from './pattern-scanner.ts';
import { invalidArgument } from '../rpc-error.ts';
import { viewRecord } from '../storage/record.ts';

/** A server-side filter over `$all`. */
export interface EventFilter {
  matches(record: Buffer): boolean;
  /** A subscription tells the client where it is after this many events looked at. */
  readonly checkpointInterval: number;
}

/** Events that a node looks at in one go unless the client says otherwise. */
const DEFAULT_WINDOW = 32;

/**
 * Compiles a filter. Throws an INVALID_ARGUMENT RpcError for an invalid window or interval, or an expression that .NET
 * or this node does not take.
 */
export function compileFilter(options: ReadReq.Options.FilterOptions, forSubscription: boolean): EventFilter {
  const window = options.hasMax() ? options.getMax() : DEFAULT_WINDOW;
  const multiplier = options.getCheckpointintervalmultiplier();
  if (window <= 0) throw invalidArgument('The search window must be greater than 0.');
  if (forSubscription && multiplier <= 0) throw invalidArgument('The checkpoint interval must be greater than 0.');
  const checkpointInterval = window * Math.max(1, multiplier);
  const byType = options.getEventType();
  if (byType !== undefined) {
    const test = compileExpression(byType);
    return { checkpointInterval, matches: (record) => test(viewRecord(record).type) };
  }
  const byStream = options.getStreamIdentifier();
  if (byStream === undefined) throw invalidArgument('The filter has no expression.');
  const test = compileExpression(byStream);
  return { checkpointInterval, matches: (record) => test(viewRecord(record).streamName) };
}

function compileExpression(expression: ReadReq.Options.FilterOptions.Expression): (text: string) => boolean {
  const pattern = expression.getRegex();
  const prefixes = expression.getPrefixList();
  if (pattern === '') return (text) => prefixes.some((prefix) => text.startsWith(prefix));
  try {
    const regex = translateDotNetRegex(pattern);
    return (text) => regex.test(text);
  } catch (error) {
    throw error instanceof UnsupportedPatternError ? invalidArgument(error.message) : error;
  }
}
