import { v7 as uuidv7 } from 'uuid';
import { ProblemError } from './problem.ts';
import type { IdempotencyVerdict, RecordedAnswer } from './services.ts';

/** What an Idempotency-Key may be: 1 to 200 visible ASCII characters. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,200}$/;

/**
 * The request's Idempotency-Key, or undefined. Throws a 400 problem when it is not 1 to 200 visible ASCII characters.
 */
export function idempotencyKeyOf(header: string | undefined): string | undefined {
  if (header === undefined || IDEMPOTENCY_KEY.test(header)) return header;
  throw new ProblemError({
    status: 400,
    code: 'malformed_idempotency_key',
    title: 'The Idempotency-Key cannot be used',
    detail: 'Send 1 to 200 visible ASCII characters.',
  });
}

/**
 * Runs a command under an Idempotency-Key: the first request runs it and records its answer, a repeat gets that answer.
 * When the work throws, the key keeps its command id and a repeat runs again. Throws 409 while it runs, 422 for another
 * body.
 */
export async function answerOnce<Code extends string>(
  verdict: IdempotencyVerdict<Code>,
  work: (commandId: string) => Promise<RecordedAnswer<Code>>,
): Promise<RecordedAnswer<Code>> {
  switch (verdict.kind) {
    case 'repeat':
      return verdict.answer;
    case 'running':
      throw new ProblemError({
        status: 409,
        code: 'request_in_flight',
        title: 'The first request with this Idempotency-Key still runs',
        headers: { 'Retry-After': '1' },
      });
    case 'other_body':
      throw new ProblemError({
        status: 422,
        code: 'idempotency_key_reused',
        title: 'This Idempotency-Key was sent with another body',
      });
    case 'first':
      return runFirst(verdict, work);
  }
}

async function runFirst<Code extends string>(
  verdict: Extract<IdempotencyVerdict<Code>, { kind: 'first' }>,
  work: (commandId: string) => Promise<RecordedAnswer<Code>>,
): Promise<RecordedAnswer<Code>> {
  let answer: RecordedAnswer<Code>;
  try {
    answer = await work(verdict.commandId);
  } catch (error) {
    // The first failure is the one to tell; without this a repeat waits until the claim runs out.
    await verdict.abandon().catch(() => undefined);
    throw error;
  }
  await verdict.finish(answer);
  return answer;
}

/** A command id for a request without a key; new aggregates take their id from it, so it sorts by time. */
export function freshCommandId(): string {
  return uuidv7();
}
