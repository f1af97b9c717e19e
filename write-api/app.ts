import type { Express, RequestHandler } from 'express';
import { START_OF_LOG } from '../domain/position.ts';
import { decodeToken, encodeToken, joinTokens } from '../infra/event-store/consistency-token.ts';
import { createHttpApp } from '../infra/http/app.ts';
import { CONTRACT_METHODS } from '../infra/http/contract-methods.ts';
import type { HealthCheck } from '../infra/http/health.ts';
import type { Route, WrittenEvents } from '../infra/http/route.ts';
import type { Authenticator, Idempotency, RateLimiter } from '../infra/http/services.ts';
import type { Log } from '../infra/process/log.ts';
import { problemOf, problemOfError, type WriteRefusal } from './problem.ts';

export type WriteApiDeps = {
  readonly routes: readonly Route<WriteRefusal>[];
  /** Handlers for what is no route, such as uploads straight into the object store. */
  readonly extras?: readonly RequestHandler[];
  readonly authenticator: Authenticator;
  readonly rateLimiter: RateLimiter;
  readonly idempotency: Idempotency<WriteRefusal>;
  /** The identity of the log, for consistency tokens. */
  readonly storeId: string;
  readonly log: Log;
  readonly health: Readonly<Record<string, HealthCheck>>;
  /** Who may name a client's address; nobody by default. */
  readonly trustedProxies?: readonly string[];
  readonly telemetry?: RequestHandler;
  readonly metrics?: RequestHandler;
  /** Checks every answer against its schema; for tests. */
  readonly checkAnswers?: boolean;
};

/** The write side over HTTP: every POST, PUT and DELETE of the contract. */
export function createWriteApi({ storeId, ...deps }: WriteApiDeps): Express {
  return createHttpApp<WriteRefusal>({
    ...deps,
    contract: CONTRACT_METHODS,
    title: 'Shutterlog write API',
    version: '1',
    description:
      'Everything that changes something. Send an `Idempotency-Key` to make repeats harmless, and the `Consistency-Token` of an answer with the reads that must see it.',
    tokenOf: (written, sent) => tokenOf(storeId, written, sent),
    problemOf,
    problemOfError,
  });
}

// The client may go on with the new token alone: it covers what the sent ones covered. A write that the log tells
// nothing of, such as a log-out, has one too, so that clients need not ask which writes have one: nothing waits for it.
function tokenOf(
  storeId: string,
  written: WrittenEvents = { position: START_OF_LOG, owners: [] },
  sent: readonly string[],
): string {
  const fresh = { storeId, ...written };
  return encodeToken(joinTokens([fresh, ...sent.flatMap((text) => decodeToken(text) ?? [])]) ?? fresh);
}
