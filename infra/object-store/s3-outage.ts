import { z } from 'zod';

/** The circuit is open: the store failed so often that nobody waits for it at the moment. */
export class ObjectStoreUnavailable extends Error {
  override readonly name = 'ObjectStoreUnavailable';
}

// The SDK adds `$metadata` to every error that it throws, those of the connection included.
const SdkFailure = z.object({ name: z.string(), $metadata: z.object({ httpStatusCode: z.number().optional() }) });

/** Time-outs of the SDK's own, and the one that S3 tells with a 400 when an upload came too slowly. */
const TIMED_OUT: readonly string[] = ['TimeoutError', 'RequestTimeout'];
/** S3 says by it that it will never do what was asked. */
const NOT_IMPLEMENTED = 501;

/**
 * Whether an error says that the object store is away, overloaded (SlowDown) or failed within, which time cures.
 * Sockets that were refused or broke off have codes that are everybody's and are not looked at here.
 */
export function isObjectStoreAway(error: unknown): boolean {
  if (error instanceof ObjectStoreUnavailable) return true;
  const failure = SdkFailure.safeParse(error);
  if (!failure.success) return false;
  const {
    name,
    $metadata: { httpStatusCode: status = 0 },
  } = failure.data;
  return TIMED_OUT.includes(name) || (status >= 500 && status !== NOT_IMPLEMENTED);
}
