import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { AccountId, OwnerId } from '../../domain/ids.ts';
import type { Actor } from '../../domain/metadata.ts';
import type { Position } from '../../domain/position.ts';
import type { JsonText } from './json-text.ts';
import type { FieldError } from './problem.ts';
import { unstorableTexts } from './unstorable-text.ts';

export type Method = 'get' | 'post' | 'put' | 'delete';

/** Body schema for each status that the route answers with; null for an empty body. Problems need no entry. */
export type Responses = { readonly [status: number]: z.ZodType | null };

/** Who is logged in, and in which session when the token names one. */
export type LoggedIn = { readonly id: AccountId; readonly session?: string };

/** What a write made visible; becomes the `Consistency-Token` header. */
export type WrittenEvents = { readonly position: Position; readonly owners: readonly OwnerId[] };

/** A business refusal; the app's `problemOf` turns its code into a status and a title. */
export type Refused<Code extends string> = {
  readonly ok: false;
  readonly refusal: { readonly code: Code; readonly detail?: string };
};

type AnswerParts = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly written?: WrittenEvents | undefined;
  /** Kept with the recorded answer and handed to `fresh.issue`; never sent. */
  readonly seed?: string;
};

/** What a handler returns: a declared status, with the body that its schema asks for. */
export type Answer<R extends Responses, S extends keyof R & number = keyof R & number> = AnswerParts & {
  readonly status: S;
} & BodyOf<R[NoInfer<S>]>;
type BodyOf<Schema> = Schema extends z.ZodType
  ? { readonly body: z.input<Schema> | JsonText<z.input<Schema>> }
  : { readonly body?: undefined };

/** Facts about one request. Its shape is that of the commands' context, so it can be handed on as it is. */
export type RequestContext = {
  /** The same for every repeat under one Idempotency-Key, else fresh (UUIDv7). */
  readonly commandId: string;
  /** The account that is logged in; `system` when the route needs no login. */
  readonly actorId: Actor;
  /** The request id. */
  readonly correlationId: string;
  readonly causationId: string;
  readonly now: Date;
  readonly traceparent?: string;
};

/** What a handler knows about its request. */
export type RouteRequest<P, Q, B, A> = {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly account: A extends 'account' ? LoggedIn : undefined;
  readonly context: RequestContext;
  /** The `Consistency-Token` values that came with the request. */
  readonly tokens: readonly string[];
  /** True with a valid `X-Operator-Token`. */
  readonly operator: boolean;
  /** The client's network address, as far as trusted proxies tell. */
  readonly address: string;
  /** Aborted when the client goes away or the time limit passes. */
  readonly signal: AbortSignal;
};

/** A request body, and a digest of its content by which a repeated request is recognized. */
export type ReadBody = {
  readonly body: unknown;
  readonly fingerprint: string;
  /** Gives back what the body holds on to, such as staged files; called once, after the handler. */
  readonly release?: () => Promise<void>;
};

/** Reads a body that is not JSON. One that fails has released what it held. */
export type BodyReader = (request: IncomingMessage, facts: { signal: AbortSignal }) => Promise<ReadBody>;

/** Buckets of the rate limiter that a route draws from, besides the general one. */
export type LimitName = 'posts' | 'follows' | 'likes';

type RouteOptions<A extends 'account' | 'none'> = {
  readonly method: Method;
  /** OpenAPI notation: `/v1/users/{username}/follow`. */
  readonly path: string;
  readonly summary: string;
  readonly tags: readonly string[];
  /** More than the summary has room for; Markdown. */
  readonly description?: string;
  /** Which codes come with which problem status, for the documents: `404: 'post_not_found'`. */
  readonly problems?: Readonly<Record<number, string>>;
  /** `account`: answers 401 without a valid access token. `none`: open to everybody. */
  readonly auth: A;
  readonly limits?: readonly LimitName[];
  /** Default 100 kB; for JSON bodies. */
  readonly bodyLimitBytes?: number;
  /** Readers for other media types than JSON, by media type; what they read is checked by `body` too. */
  readonly readers?: Readonly<Record<string, BodyReader>>;
  /** The handler's time limit, default 30 s. */
  readonly timeLimitMs?: number;
};

type Fresh<Code extends string> = {
  /** Fields added to the body of every successful answer. */
  readonly fields: z.ZodObject;
  /**
   * Makes the fields from the answer's seed; runs for the first answer and for each repeat, and nothing of it is kept.
   */
  readonly issue: (
    seed: string,
    now: Date,
  ) => Promise<{ readonly ok: true; readonly fields: Readonly<Record<string, unknown>> } | Refused<Code>>;
};

type Definition<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  R extends Responses,
  S extends keyof R & number,
  A extends 'account' | 'none',
  Code extends string,
> = RouteOptions<A> & {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly responses: R;
  readonly fresh?: Fresh<Code>;
  readonly handler: (
    request: RouteRequest<z.output<P>, z.output<Q>, z.output<B>, A>,
  ) => Promise<Answer<R, S> | Refused<Code>>;
};

/** An answer after its types are checked. */
export type PlainAnswer = AnswerParts & { readonly status: number; readonly body?: unknown };
export type PlainRequest = Omit<RouteRequest<unknown, unknown, unknown, 'none'>, 'account'> & {
  readonly account: LoggedIn | undefined;
};

/** A route as the app mounts it: `check` validates, and gives the work to run or what is wrong with each field. */
export type Route<Code extends string = string> = RouteOptions<'account' | 'none'> & {
  readonly schemas: {
    readonly params?: z.ZodType;
    readonly query?: z.ZodType;
    readonly body?: z.ZodType;
    readonly responses: Responses;
    readonly fresh?: z.ZodObject;
  };
  readonly issue?: Fresh<Code>['issue'];
  readonly check: (input: { params: unknown; query: unknown; body: unknown }) =>
    | {
        readonly ok: true;
        readonly run: (facts: Omit<PlainRequest, 'params' | 'query' | 'body'>) => Promise<PlainAnswer | Refused<Code>>;
      }
    | { readonly ok: false; readonly errors: readonly FieldError[] };
};

/** A long list of wrong items gets no longer list of complaints. */
const ERRORS_AT_MOST = 20;

/**
 * Declares a route once for express, for validation and for the OpenAPI document. The handler sees validated input
 * only; its answers are checked against `responses` by the compiler, its refusal codes against the app's `problemOf`.
 * Texts that no store can hold are refused before any schema is asked, in every route.
 */
export function defineRoute<
  R extends Responses,
  S extends keyof R & number,
  A extends 'account' | 'none',
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  Code extends string = never,
>(definition: Definition<P, Q, B, R, S, A, Code>): Route<Code> {
  const { params, query, body, responses, fresh, handler, ...options } = definition;
  return {
    ...options,
    schemas: {
      ...(params && { params }),
      ...(query && { query }),
      ...(body && { body }),
      responses,
      ...(fresh && { fresh: fresh.fields }),
    },
    ...(fresh && { issue: fresh.issue }),
    check: (input) => {
      const unstorable = [
        ...unstorableTexts(input.params, 'path'),
        ...unstorableTexts(input.query, 'query'),
        ...unstorableTexts(input.body),
      ];
      if (unstorable.length > 0) return { ok: false, errors: unstorable };
      const parsed = {
        params: parse(params, input.params),
        query: parse(query, input.query),
        body: parse(body, input.body),
      };
      const errors = [
        ...errorsOf(parsed.params, 'path'),
        ...errorsOf(parsed.query, 'query'),
        ...errorsOf(parsed.body, ''),
      ].slice(0, ERRORS_AT_MOST);
      if (!parsed.params.success || !parsed.query.success || !parsed.body.success) return { ok: false, errors };
      const valid = { params: parsed.params.data, query: parsed.query.data, body: parsed.body.data };
      return {
        ok: true,
        run: (facts) => handler({ ...facts, ...valid, account: accountFor(definition.auth, facts.account) }),
      };
    },
  };
}

// A schema that the definition leaves out is z.undefined() by the type parameter's default: nothing is read or refused.
function parse<S extends z.ZodType>(schema: S | undefined, input: unknown): z.ZodSafeParseResult<z.output<S>> {
  return schema === undefined ? { success: true, data: undefined as z.output<S> } : schema.safeParse(input);
}

function errorsOf(result: z.ZodSafeParseResult<unknown>, prefix: string): FieldError[] {
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => ({
    path: [prefix, ...path.map(String)].filter((part) => part !== '').join('.'),
    message,
  }));
}

type AccountOf<A> = RouteRequest<unknown, unknown, unknown, A>['account'];

// TypeScript does not narrow a conditional type by a value; the dispatcher has answered 401 before this can throw.
function accountFor<A extends 'account' | 'none'>(auth: A, account: LoggedIn | undefined): AccountOf<A> {
  if (auth === 'account' && account === undefined) throw new Error('a route for accounts ran without one');
  return (auth === 'account' ? account : undefined) as AccountOf<A>;
}
