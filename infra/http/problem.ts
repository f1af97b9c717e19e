import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, Response } from 'express';
import { z } from 'zod';
import type { Log } from '../process/log.ts';
import { reasonOf } from '../process/reason.ts';
import { RepeatedLines } from '../process/repeated-lines.ts';

/** What is wrong with one field of a request; `path` as in `body.list.0`. */
export type FieldError = { readonly path: string; readonly message: string };

const INTERNAL = 'internal_error';

/** An error answer (RFC 9457). `code` is stable; `errors` names each wrong field of the request. */
export type Problem = {
  readonly status: number;
  readonly code: string;
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Somebody has to do something before it ends: logged as an error, where it is not our own fault as well. */
  readonly alarm?: true;
};

/** Ends a request with a problem from anywhere below the app. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail ?? problem.code, options);
    this.problem = problem;
  }
}

/** What an `application/problem+json` body holds. */
export const ProblemBody = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    request_id: z.string(),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457); `code` is stable.' });

/** The body of a problem. */
export function problemBody(problem: Problem, requestId: string): z.infer<typeof ProblemBody> {
  const { status, code, detail, errors } = problem;
  return {
    type: `urn:shutterlog:problem:${code}`,
    title: problem.title ?? STATUS_CODES[status] ?? 'Error',
    status,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors: [...errors] }),
    request_id: requestId,
  };
}

/** Answers with a problem; does nothing when the answer has begun already, but for cutting the connection. */
export function sendProblem(response: Response, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(problem.headers ?? {})) response.setHeader(name, value);
  response
    .status(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problemBody(problem, requestIdOf(response))));
}

/** The id of the request that a response answers. */
export function requestIdOf(response: Response): string {
  return String(response.getHeader('X-Request-Id') ?? '');
}

// Errors of the body parser and the router carry a status and sometimes a type.
const LibraryError = z.object({ status: z.int().min(400).max(499), type: z.string().optional() });

/** Turns whatever a request threw into a problem; `known` may name errors of lower layers. */
export function toProblem(error: unknown, known: (error: unknown) => Problem | undefined): Problem {
  if (error instanceof ProblemError) return error.problem;
  const named = known(error);
  if (named !== undefined) return named;
  const library = LibraryError.safeParse(error);
  return library.success
    ? problemOfLibrary(library.data)
    : { status: 500, code: INTERNAL, title: 'Something went wrong on our side' };
}

function problemOfLibrary({ status, type }: z.infer<typeof LibraryError>): Problem {
  if (type === 'entity.parse.failed')
    return { status: 400, code: 'malformed_json', title: 'The body is not valid JSON' };
  if (status === 413) return { status, code: 'body_too_large', title: 'The body is too large' };
  if (status === 415)
    return { status, code: 'unsupported_media_type', title: 'The body is in a form that this route does not read' };
  return { status: 400, code: 'malformed_request', title: 'The request cannot be read' };
}

/**
 * The last handler of an app: answers with the problem. What is our own fault is logged whole, with the request id;
 * what a store that is away makes of requests as one line a kind and second, with their number and one of them as an
 * example.
 */
export function problemHandler(log: Log, known: (error: unknown) => Problem | undefined): ErrorRequestHandler {
  const repeated = new RepeatedLines();
  return (error: unknown, request, response, next) => {
    const problem = toProblem(error, known);
    const example = { request_id: requestIdOf(response), method: request.method, path: request.path };
    if (problem.code === INTERNAL) {
      log.error({ err: error, ...example }, 'request failed');
    } else if (problem.status >= 500) {
      const level = problem.alarm === true ? 'error' : 'warn';
      const kind = `${problem.code} ${error instanceof Error ? error.name : ''}`;
      repeated.note(kind, (count) => {
        log[level](
          { code: problem.code, count, reason: reasonOf(error), ...example },
          'requests could not be answered',
        );
      });
    }
    if (response.headersSent) {
      next(error);
      return;
    }
    sendProblem(response, problem);
  };
}
