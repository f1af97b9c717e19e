import express, { type Express, type RequestHandler } from 'express';
import type { Log } from '../process/log.ts';
import { openApiDocument } from './openapi.ts';
import { dispatch } from './dispatch.ts';
import { docs } from './docs.ts';
import { cors, requestIds, securityHeaders } from './headers.ts';
import { liveness, readiness, type HealthCheck } from './health.ts';
import { createObserver } from './observe.ts';
import { problemHandler, sendProblem, type Problem } from './problem.ts';
import type { Method, Route } from './route.ts';
import type { HttpServices } from './services.ts';

export type HttpAppOptions<Code extends string> = HttpServices<Code> & {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  readonly routes: readonly Route<Code>[];
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
  /** Origins whose pages may call; none by default. */
  readonly corsOrigins?: readonly string[];
};

/** Assembles an API: health, metrics, docs, routes, and problem+json for everything else. */
export function createHttpApp<Code extends string>(options: HttpAppOptions<Code>): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // The edge and the other parts of a deployment reach us from private addresses; only they may name the client's.
  app.set('trust proxy', ['loopback', 'linklocal', 'uniquelocal']);
  app.use(requestIds(), securityHeaders(), cors(options.corsOrigins ?? []));
  app.get('/health/live', liveness());
  app.get('/health/ready', readiness(options.health));
  if (options.metrics !== undefined) app.get('/metrics', options.metrics);
  if (options.telemetry !== undefined) app.use(options.telemetry);
  app.use(docs(options.title, openApiDocument(options.routes, options)));
  mountRoutes(app, options);
  for (const extra of options.extras ?? []) app.use(extra);
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

/** A bare app with health and metrics only, for processes that serve nothing else. */
export function createHealthApp(options: {
  log: Log;
  health: Readonly<Record<string, HealthCheck>>;
  metrics?: RequestHandler;
}): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(requestIds(), securityHeaders());
  app.get('/health/live', liveness());
  app.get('/health/ready', readiness(options.health));
  if (options.metrics !== undefined) app.get('/metrics', options.metrics);
  app.use((_request, response) => {
    sendProblem(response, { status: 404, code: 'unknown_route', title: 'There is nothing at this address' });
  });
  app.use(problemHandler(options.log, () => undefined));
  return app;
}

function mountRoutes<Code extends string>(app: Express, options: HttpAppOptions<Code>): void {
  const methods = new Map<string, Method[]>();
  const observe = createObserver(options.log);
  // `{` sorts behind every letter, so that /v1/users/search is asked before /v1/users/{username}.
  for (const route of options.routes.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))) {
    const path = expressPath(route.path);
    const known = methods.get(path) ?? [];
    if (known.includes(route.method)) throw new Error(`${route.method} ${route.path} is declared twice`);
    methods.set(path, [...known, route.method]);
    app[route.method](path, observe(route, dispatch(route, options)));
  }
  for (const [path, allowed] of methods) app.all(path, methodNotAllowed(allowed));
}

// Mounted behind all routes: another path may match the same address with the method that is asked for.
function methodNotAllowed(methods: readonly Method[]): RequestHandler {
  const names = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
  const allow = [...names, 'OPTIONS'].join(', ');
  return (request, response) => {
    response.setHeader('Allow', allow);
    if (request.method === 'OPTIONS') response.status(204).end();
    else
      sendProblem(response, {
        status: 405,
        code: 'method_not_allowed',
        title: 'This address does not take that method',
        detail: `It takes ${allow}.`,
      });
  };
}

function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
