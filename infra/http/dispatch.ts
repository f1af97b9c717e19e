import type { Request, RequestHandler, Response } from 'express';
import { JsonText } from './json-text.ts';
import { currentTraceparent } from '../process/telemetry.ts';
import { identifyCaller, limitRate, type Caller } from './access.ts';
import { bodyReader } from './body.ts';
import { clientNetwork } from './client-address.ts';
import { answerOnce, freshCommandId, idempotencyKeyOf } from './once.ts';
import { ProblemError, requestIdOf, sendProblem, type Problem } from './problem.ts';
import type { PlainAnswer, PlainRequest, ReadBody, Refused, Route } from './route.ts';
import type { HttpServices, RecordedAnswer } from './services.ts';

const DEFAULT_TIME_LIMIT_MS = 30_000;
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

type Exchange = { readonly request: Request; readonly response: Response; readonly signal: AbortSignal };
type Work<Code extends string> = (
  facts: Omit<PlainRequest, 'params' | 'query' | 'body'>,
) => Promise<PlainAnswer | Refused<Code>>;

/**
 * The express handler of one route: who calls, how often, what they send, whether it is a repeat; then the route's own
 * work.
 */
export function dispatch<Code extends string>(route: Route<Code>, services: HttpServices<Code>): RequestHandler {
  const readBody = bodyReader(route);
  return async (request, response) => {
    const signal = endsWith(request, response, route.timeLimitMs ?? DEFAULT_TIME_LIMIT_MS);
    const answering = (async () => {
      const caller = await identifyCaller(route, request, services.authenticator);
      if (services.rateLimiter !== undefined)
        await limitRate(services.rateLimiter, route, caller, { request, response });
      const read = await readBody(request, response, signal);
      try {
        const work = validated(route, request, read.body);
        const answer = await run({ route, services, caller, read, work }, { request, response, signal });
        await send(route, services, answer, response);
      } finally {
        await read.release?.();
      }
    })();
    await Promise.race([answering, timeOut(signal)]);
  };
}

const TOOK_TOO_LONG: Problem = {
  status: 503,
  code: 'timed_out',
  title: 'The request took too long',
  detail: 'Repeat it with the same Idempotency-Key.',
  headers: { 'Retry-After': '1' },
};
// The client's own doing: no fault of ours that anybody should be told of.
const BODY_TOO_LATE: Problem = { status: 408, code: 'body_too_late', title: 'The body did not arrive in time' };

// Ends when the client leaves, when the time limit passes, or with the answer.
function endsWith(request: Request, response: Response, limitMs: number): AbortSignal {
  const controller = new AbortController();
  const limit = setTimeout(
    () => controller.abort(new ProblemError(request.complete ? TOOK_TOO_LONG : BODY_TOO_LATE)),
    limitMs,
  );
  response.once('close', () => {
    clearTimeout(limit);
    if (!response.writableFinished)
      controller.abort(
        new ProblemError({ status: 400, code: 'client_gone', title: `The client left ${request.path}` }),
      );
  });
  return controller.signal;
}

function timeOut(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      'abort',
      () => {
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      },
      { once: true },
    );
  });
}

function validated<Code extends string>(route: Route<Code>, request: Request, body: unknown): Work<Code> {
  const checked = route.check({ params: request.params, query: request.query, body });
  if (checked.ok) return checked.run;
  throw new ProblemError({
    status: 400,
    code: 'validation_failed',
    title: 'The request does not fit the contract',
    errors: checked.errors,
  });
}

type Job<Code extends string> = {
  readonly route: Route<Code>;
  readonly services: HttpServices<Code>;
  readonly caller: Caller;
  readonly read: ReadBody;
  readonly work: Work<Code>;
};

async function run<Code extends string>(
  { route, services, caller, read, work }: Job<Code>,
  exchange: Exchange,
): Promise<RecordedAnswer<Code>> {
  const tokens = tokensOf(exchange.request);
  const perform = async (commandId: string): Promise<RecordedAnswer<Code>> => {
    const result = await work({
      ...caller,
      tokens,
      context: contextOf(exchange, caller, commandId),
      address: clientNetwork(exchange.request.ip),
      signal: exchange.signal,
    });
    if ('refusal' in result) return result;
    const { status, body, headers = {}, written, seed } = result;
    const token = services.tokenOf === undefined ? {} : { 'Consistency-Token': services.tokenOf(written, tokens) };
    return {
      ok: true,
      status,
      ...(body === undefined ? {} : { body }),
      headers: { ...headers, ...token },
      ...(seed === undefined ? {} : { seed }),
    };
  };
  // A read commands nothing and needs no id of its own.
  if (route.method === 'get') return perform(requestIdOf(exchange.response));
  const key = idempotencyKeyOf(exchange.request.get('Idempotency-Key'));
  if (key === undefined || services.idempotency === undefined) return perform(freshCommandId());
  const claim = {
    scope: caller.account?.id ?? 'anonymous',
    route: `${route.method.toUpperCase()} ${exchange.request.path}`,
    key,
    fingerprint: read.fingerprint,
  };
  return answerOnce(await services.idempotency.begin(claim), perform);
}

function contextOf({ request, response }: Exchange, caller: Caller, commandId: string): PlainRequest['context'] {
  const requestId = requestIdOf(response);
  const traceparent = traceparentOf(request);
  return {
    commandId,
    actorId: caller.account?.id ?? 'system',
    correlationId: requestId,
    causationId: requestId,
    now: new Date(),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

function traceparentOf(request: Request): string | undefined {
  const current = currentTraceparent();
  if (current !== undefined) return current;
  const sent = request.get('traceparent');
  return sent !== undefined && TRACEPARENT.test(sent) ? sent : undefined;
}

function tokensOf(request: Request): string[] {
  return (request.get('Consistency-Token') ?? '')
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '');
}

async function send<Code extends string>(
  route: Route<Code>,
  services: HttpServices<Code>,
  answer: RecordedAnswer<Code>,
  response: Response,
): Promise<void> {
  const complete = await withFreshFields(route, answer);
  // The time limit may have answered already.
  if (response.headersSent) return;
  if ('refusal' in complete) sendProblem(response, services.problemOf(complete.refusal));
  else write(route, { ...complete, check: services.checkAnswers === true }, response);
}

type Complete = {
  readonly status: number;
  readonly body?: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, unknown>>;
};

async function withFreshFields<Code extends string>(
  { issue }: Route<Code>,
  answer: RecordedAnswer<Code>,
): Promise<Complete | Refused<Code>> {
  if ('refusal' in answer) return answer;
  if (issue === undefined || answer.seed === undefined) return { ...answer, fields: {} };
  const fresh = await issue(answer.seed, new Date());
  return 'refusal' in fresh ? fresh : { ...answer, fields: fresh.fields };
}

function write(
  route: Route,
  { status, body, headers, fields, check }: Complete & { readonly check: boolean },
  response: Response,
): void {
  if (check) checkAnswer(route, status, body instanceof JsonText ? body.toJSON() : body);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.status(status);
  if (body instanceof JsonText) {
    response.type('application/json').send(body.text);
    return;
  }
  const isPlainObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  const whole = isPlainObject ? { ...body, ...fields } : body;
  if (whole === undefined) response.end();
  else response.json(whole);
}

function checkAnswer(route: Route, status: number, body: unknown): void {
  const schema = route.schemas.responses[status];
  if (schema === undefined) throw new Error(`${route.method} ${route.path} does not declare status ${String(status)}`);
  if (schema === null && body !== undefined)
    throw new Error(`${route.method} ${route.path} declares no body for ${String(status)}`);
  const result = schema?.safeParse(body);
  if (result?.success === false)
    throw new Error(`${route.method} ${route.path} answered against its schema: ${result.error.message}`);
}
