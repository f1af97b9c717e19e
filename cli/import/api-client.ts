import { setTimeout as delay } from 'node:timers/promises';

/** An answer that is not a success, with what the API said. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  constructor(request: string, status: number, problem: { code?: string; title?: string; detail?: string }) {
    super(`${request} answered ${status}: ${problem.detail ?? problem.title ?? problem.code ?? 'no reason given'}`);
    this.status = status;
    this.code = problem.code ?? '';
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

const ATTEMPTS = 8;
const TIMEOUT_MS = 30_000;
const OPERATOR_TOKEN_LIFE_MS = 30 * 60_000;

/** `operatorToken` signs a fresh token; it is asked again before the last one expires. */
export function createApiClient(baseUrl: string, operatorToken: () => Promise<string>): ApiClient {
  let token: { text: Promise<string>; madeAt: number } | undefined;
  const operator = () => {
    if (token === undefined || Date.now() - token.madeAt > OPERATOR_TOKEN_LIFE_MS) token = { text: operatorToken(), madeAt: Date.now() };
    return token.text;
  };
  return {
    async send(request) {
      for (let attempt = 1; ; attempt += 1) {
        const answer = await sendOnce(baseUrl, request, await operator()).catch((error: unknown) => retryable(error, attempt));
        if (answer !== undefined && (answer.ok || !isPassing(answer.status) || attempt === ATTEMPTS)) return read(request, answer);
        await answer?.body?.cancel();
        await delay(Math.min(50 * 2 ** attempt, 5_000) * (0.5 + Math.random()));
      }
    },
  };
}

function sendOnce(baseUrl: string, request: ApiRequest, operatorToken: string): Promise<Response> {
  return fetch(new URL(request.path, baseUrl), {
    method: request.method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      'x-operator-token': operatorToken,
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(request.accessToken === undefined ? {} : { authorization: `Bearer ${request.accessToken}` }),
      ...(request.idempotencyKey === undefined ? {} : { 'idempotency-key': request.idempotencyKey }),
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  });
}

// A refused or lost connection: the server may be restarting. The idempotency key makes a second try safe.
function retryable(error: unknown, attempt: number): undefined {
  if (attempt === ATTEMPTS) throw error;
  return undefined;
}

// 409 with a key in flight resolves by itself; so do overload and restarts.
const isPassing = (status: number) => status === 429 || status === 502 || status === 503 || status === 504;

async function read(request: ApiRequest, answer: Response): Promise<unknown> {
  const text = await answer.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  if (answer.ok) return body;
  throw new ApiError(`${request.method} ${request.path}`, answer.status, typeof body === 'object' && body !== null ? body : {});
}
