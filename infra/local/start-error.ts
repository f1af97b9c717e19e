/** Why the stack cannot start, in one line for the person who started it; shown without a stack trace, exit code 1. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** The line to show for any failure: the plain reason of a StartError, the whole error of a surprise. */
export function describeFailure(error: unknown): string {
  if (error instanceof StartError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
