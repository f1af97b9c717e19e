import type { Express, RequestHandler } from 'express';
import type { Log } from '../process/log.ts';
import type { ContractMethods } from './contract-methods.ts';
import { dispatch } from './dispatch.ts';
import { createObserver } from './observe.ts';
import { sendProblem } from './problem.ts';
import type { Method, Route } from './route.ts';
import type { HttpServices } from './services.ts';

type Mounted<Code extends string> = HttpServices<Code> & {
  readonly routes: readonly Route<Code>[];
  readonly log: Log;
  /** What every API under the same origin takes; what `routes` declare when there is no other. */
  readonly contract?: ContractMethods;
};

/**
 * Mounts the routes of an API; a method that an address of the contract does not take is a 405 with those that it does.
 */
export function mountRoutes<Code extends string>(app: Express, { contract, ...options }: Mounted<Code>): void {
  const own = methodsOf(options.routes);
  const whole = contract ?? own;
  const observe = createObserver(options.log);
  for (const route of options.routes.toSorted(byPath)) {
    if (whole[route.path]?.includes(route.method) !== true)
      throw new Error(`${route.method} ${route.path} is not in the contract (infra/http/contract-methods.ts)`);
    app[route.method](expressPath(route.path), observe(route, dispatch(route, options)));
  }
  // Behind all routes: another path may match the same address with the method that is asked for.
  const paths = Object.keys(whole)
    .map((path) => ({ path }))
    .toSorted(byPath);
  for (const { path } of paths) app.all(expressPath(path), methodNotAllowed(whole[path] ?? []));
}

// `{` sorts behind every letter, so that /v1/users/search is asked before /v1/users/{username}.
function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

function methodsOf(routes: readonly Route[]): ContractMethods {
  const methods: Record<string, Method[]> = {};
  for (const { path, method } of routes) {
    const known = (methods[path] ??= []);
    if (known.includes(method)) throw new Error(`${method} ${path} is declared twice`);
    known.push(method);
  }
  return methods;
}

/** Answers with what an address takes: 204 to OPTIONS, 405 to everything else. */
export function methodNotAllowed(methods: readonly Method[]): RequestHandler {
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
