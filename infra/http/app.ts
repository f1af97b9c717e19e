import express, { type Express, type RequestHandler } from 'express';
import type { Log } from '../process/log.ts';
import { openApiDocument } from './openapi.ts';
import type { ContractMethods } from './contract-methods.ts';
import { docs } from './docs.ts';
import { cors, requestIds, securityHeaders } from './headers.ts';
import { liveness, readiness, type HealthCheck } from './health.ts';
import { problemHandler, sendProblem, type Problem } from './problem.ts';
import type { Route } from './route.ts';
import { methodNotAllowed, mountRoutes } from './routing.ts';
import type { HttpServices } from './services.ts';

export type HttpAppOptions<Code extends string> = HttpServices<Code> & {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  readonly routes: readonly Route<Code>[];
  /** What all APIs under the same origin take, for 405; what `routes` declare when there is no other. */
  readonly contract?: ContractMethods;
  readonly log: Log;
  readonly health: Readonly<Record<string, HealthCheck>>;
  /** Measures every request; runs before everything else. */
  readonly telemetry?: RequestHandler;
  /** Answers GET /metrics. */
  readonly metrics?: RequestHandler;
  /** Handlers for what does not fit a route (files, streams); they answer or call next. */
  readonly extras?: readonly RequestHandler[];
  /** Names errors of lower layers, such as a store that is away. */
  readonly problemOfError?: (error: unknown) => Problem | undefined;
  /** Who may name a client's address in `X-Forwarded-For`, as TRUSTED_PROXIES lists them; nobody by default. */
  readonly trustedProxies?: readonly string[];
  /** Origins whose pages may call; none by default. */
  readonly corsOrigins?: readonly string[];
};

const HEALTH = ['/health/live', '/health/ready'];
const DOCS = ['/openapi.json', '/docs'];

/** Assembles an API: health, metrics, docs, routes, and problem+json for everything else. */
export function createHttpApp<Code extends string>(options: HttpAppOptions<Code>): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', [...(options.trustedProxies ?? [])]);
  app.use(requestIds(), securityHeaders(), cors(options.corsOrigins ?? []));
  app.get('/health/live', liveness());
  app.get('/health/ready', readiness(options.health));
  if (options.metrics !== undefined) app.get('/metrics', options.metrics);
  if (options.telemetry !== undefined) app.use(options.telemetry);
  app.use(docs(options.title, openApiDocument(options.routes, options)));
  mountRoutes(app, options);
  for (const extra of options.extras ?? []) app.use(extra);
  for (const path of [...HEALTH, ...DOCS, ...(options.metrics === undefined ? [] : ['/metrics'])])
    app.all(path, methodNotAllowed(['get']));
  app.use((_request, response) => {
    sendProblem(response, {
      status: 404,
      code: 'unknown_route',
      title: 'There is nothing at this address',
      detail: 'See /docs for what there is.',
    });
  });
  app.use(problemHandler(options.log, options.problemOfError ?? (() => undefined)));
  return app;
}

/** A bare app with health and metrics, for processes that serve nothing else but a few `pages` of their own state. */
export function createHealthApp(options: {
  log: Log;
  health: Readonly<Record<string, HealthCheck>>;
  metrics?: RequestHandler;
  pages?: Readonly<Record<string, RequestHandler>>;
}): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(requestIds(), securityHeaders());
  app.get('/health/live', liveness());
  app.get('/health/ready', readiness(options.health));
  if (options.metrics !== undefined) app.get('/metrics', options.metrics);
  for (const [path, page] of Object.entries(options.pages ?? {})) app.get(path, page);
  for (const path of [...HEALTH, ...(options.metrics === undefined ? [] : ['/metrics'])])
    app.all(path, methodNotAllowed(['get']));
  app.use((_request, response) => {
    sendProblem(response, { status: 404, code: 'unknown_route', title: 'There is nothing at this address' });
  });
  app.use(problemHandler(options.log, () => undefined));
  return app;
}
