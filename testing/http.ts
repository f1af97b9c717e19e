/**
 * An HTTP client for tests: every answer comes back, whatever its status, so that refusals are as easy to expect as
 * successes.
 */
export type HttpAnswer = {
  status: number;
  headers: Headers;
  /** The parsed JSON, or the text of anything else; undefined when there is none. */
  body: unknown;
};

export type HttpRequest = {
  method?: string;
  /** Sent as `Authorization: Bearer`. */
  token?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is: bytes, a form. */
  body?: NonNullable<RequestInit['body']>;
  headers?: Record<string, string>;
};

const ANSWER_LIMIT_MS = 60_000;

/** Sends one request and reads the whole answer. Rejects only when there is no answer within a minute. */
export async function send(url: string, request: HttpRequest = {}): Promise<HttpAnswer> {
  const payload = request.json === undefined ? request.body : JSON.stringify(request.json);
  const response = await fetch(url, {
    method: request.method ?? (payload === undefined ? 'GET' : 'POST'),
    headers: headersOf(request),
    ...(payload === undefined ? {} : { body: payload }),
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  const text = await response.text();
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : isJson ? JSON.parse(text) : text,
  };
}

function headersOf({ json, token, headers }: HttpRequest): Record<string, string> {
  return {
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...headers,
  };
}

/** The text at a path such as `user.username` of an answer's JSON. Throws, showing the answer, when there is none. */
export function textAt(answer: HttpAnswer, path: string): string {
  const value = path
    .split('.')
    .reduce<unknown>((inside, key) => (isRecord(inside) ? inside[key] : undefined), answer.body);
  if (typeof value === 'string') return value;
  throw new Error(`no text at ${path} of ${answer.status} ${JSON.stringify(answer.body)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
