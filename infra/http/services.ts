import type { Problem } from './problem.ts';
import type { LimitName, LoggedIn, Refused, WrittenEvents } from './route.ts';

/** Who a bearer token speaks for. */
export type TokenVerdict =
  | { readonly ok: true; readonly account: LoggedIn }
  | { readonly ok: false; readonly reason: 'invalid' | 'expired' | 'session_ended' };

/** Checks the tokens that requests carry; both answers never throw for a bad token. */
export type Authenticator = {
  account(bearerToken: string): Promise<TokenVerdict>;
  operator(operatorToken: string): Promise<boolean>;
};

/** How a bucket stands after a request drew from it; times in whole seconds from now. */
export type LimitState = {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  readonly resetSeconds: number;
  readonly retryAfterSeconds: number;
};

/** Counts requests. Undefined means that nothing is limited at this moment (switched off, or its store is away). */
export type RateLimiter = {
  take(subject: string, buckets: readonly ('requests' | LimitName)[]): Promise<LimitState | undefined>;
};

/** An answer as it is recorded under an Idempotency-Key. */
export type RecordedAnswer<Code extends string> =
  | {
      readonly ok: true;
      readonly status: number;
      readonly body?: unknown;
      readonly headers: Readonly<Record<string, string>>;
      readonly seed?: string;
    }
  | Refused<Code>;

/** What is known about an Idempotency-Key. `first` means: run the command under this id, then `finish` or `abandon`. */
export type IdempotencyVerdict<Code extends string> =
  | {
      readonly kind: 'first';
      readonly commandId: string;
      finish(answer: RecordedAnswer<Code>): Promise<void>;
      abandon(): Promise<void>;
    }
  | { readonly kind: 'repeat'; readonly answer: RecordedAnswer<Code> }
  | { readonly kind: 'running' }
  | { readonly kind: 'other_body' };

export type IdempotencyClaim = {
  readonly scope: string;
  readonly route: string;
  readonly key: string;
  readonly fingerprint: string;
};
export type Idempotency<Code extends string> = { begin(claim: IdempotencyClaim): Promise<IdempotencyVerdict<Code>> };

/** What the app's routes share; everything that is left out is simply not done. */
export type HttpServices<Code extends string> = {
  readonly problemOf: (refusal: Refused<Code>['refusal']) => Problem;
  readonly authenticator: Authenticator;
  readonly rateLimiter?: RateLimiter;
  readonly idempotency?: Idempotency<Code>;
  /**
   * Makes the `Consistency-Token` of a write; it joins the tokens sent with it. `written` is undefined where the log
   * tells nothing of the write.
   */
  readonly tokenOf?: (written: WrittenEvents | undefined, sent: readonly string[]) => string;
  /** Checks answers against their schemas, at the price of time; a mismatch is a 500. For tests. */
  readonly checkAnswers?: boolean;
};
