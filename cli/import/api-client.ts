import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const Problem = z
  .object({
    code: z.string(),
    title: z.string(),
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })),
  })
  .partial();
type Problem = z.infer<typeof Problem>;

/** An answer that is not a success, with what the API said. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  constructor(request: string, status: number, { code, title, detail, errors = [] }: Problem) {
    const fields = errors.map(({ path, message }) => `${path}: ${message}`).join('; ');
    super(
      `${request} answered ${status}: ${detail ?? title ?? code ?? 'no reason given'}${fields === '' ? '' : ` (${fields})`}`,
    );
    this.status = status;
    this.code = code ?? '';
  }
}

export type ApiRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  accessToken?: string;
  /** Makes a repeat of the same request harmless for 24 hours. */
  idempotencyKey?: string;
};

/** Sends requests to one API as an operator: free of rate limits, patient with a server that is busy or restarting. */
export type ApiClient = { send(request: ApiRequest): Promise<unknown> };

type Answer = { readonly status: number; readonly text: string };
type Connection = { readonly baseUrl: string; readonly agent: HttpAgent; readonly send: typeof httpRequest };

/**
 * As long as a server may take to come back, and longer than the claim (60 s) of a request whose server died with it.
 */
const PATIENCE_MS = 150_000;
const LONGEST_PAUSE_MS = 5_000;
const TIMEOUT_MS = 30_000;
const OPERATOR_TOKEN_LIFE_MS = 30 * 60_000;

export type ApiClientOptions = {
  /** Signs a fresh token; it is asked again before the last one expires. */
  readonly operatorToken: () => Promise<string>;
  /** Ends waiting for a server that is away. */
  readonly signal?: AbortSignal;
  /** How long a server may be away, 150 s unless said otherwise. */
  readonly patienceMs?: number;
};

/** A client of the API at an address. */
export function createApiClient(
  baseUrl: string,
  { operatorToken, signal, patienceMs = PATIENCE_MS }: ApiClientOptions,
): ApiClient {
  let token: { text: Promise<string>; madeAt: number } | undefined;
  const operator = () => {
    if (token === undefined || Date.now() - token.madeAt > OPERATOR_TOKEN_LIFE_MS)
      token = { text: operatorToken(), madeAt: Date.now() };
    return token.text;
  };
  const connection = connectionTo(baseUrl);
  return {
    async send(request) {
      const deadline = performance.now() + patienceMs;
      for (let attempt = 1; ; attempt += 1) {
        const isLast = performance.now() > deadline;
        const answer = await sendOnce(connection, request, await operator()).catch((error: unknown) =>
          retryable(error, isLast),
        );
        if (answer !== undefined && (isLast || !isPassing(answer))) return read(request, answer);
        await delay(
          Math.min(50 * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random()),
          undefined,
          signal === undefined ? {} : { signal },
        );
      }
    },
  };
}

// Not fetch: for many small requests the plain client costs half of its time, and the server shares the machine.
function connectionTo(baseUrl: string): Connection {
  return baseUrl.startsWith('https:')
    ? { baseUrl, agent: new HttpsAgent({ keepAlive: true, scheduling: 'lifo' }), send: httpsRequest }
    : { baseUrl, agent: new HttpAgent({ keepAlive: true, scheduling: 'lifo' }), send: httpRequest };
}

function sendOnce({ baseUrl, agent, send }: Connection, request: ApiRequest, operatorToken: string): Promise<Answer> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const headers = {
    'x-operator-token': operatorToken,
    'content-length': body === undefined ? 0 : Buffer.byteLength(body),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(request.accessToken === undefined ? {} : { authorization: `Bearer ${request.accessToken}` }),
    ...(request.idempotencyKey === undefined ? {} : { 'idempotency-key': request.idempotencyKey }),
  };
  return new Promise((resolve, reject) => {
    const sent = send(
      new URL(request.path, baseUrl),
      { method: request.method, agent, headers, timeout: TIMEOUT_MS },
      (response) => {
        textOf(response).then((text) => {
          resolve({ status: response.statusCode ?? 0, text });
        }, reject);
      },
    );
    sent.on('error', reject);
    sent.on('timeout', () => {
      sent.destroy(new Error(`${request.method} ${request.path}: no answer within ${TIMEOUT_MS / 1000} s`));
    });
    sent.end(body);
  });
}

// A refused or lost connection: the server may be restarting. The idempotency key makes a second try safe.
function retryable(error: unknown, isLast: boolean): undefined {
  if (isLast) throw error;
  return undefined;
}

// What passes by itself: overload, restarts, others at the same stream, and the first request with the same key that
// still runs, as after a time-out.
function isPassing({ status, text }: Answer): boolean {
  if (status === 409) return ['request_in_flight', 'busy'].includes(problemOf(text).code ?? '');
  return status === 429 || status === 502 || status === 503 || status === 504;
}

function read(request: ApiRequest, { status, text }: Answer): unknown {
  if (status >= 200 && status < 300) return text === '' ? undefined : JSON.parse(text);
  throw new ApiError(`${request.method} ${request.path}`, status, problemOf(text));
}

function problemOf(text: string): Problem {
  try {
    return Problem.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
