import { context, metrics, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { RequestHandler } from 'express';
import type { Log } from '../process/log.ts';
import { requestIdOf } from './problem.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Puts a route's handler into a span and measures it, under names of OpenTelemetry's conventions. */
export type Observe = (
  route: { readonly method: string; readonly path: string },
  handler: RequestHandler,
) => RequestHandler;

/**
 * Begins a server span for each request, under the trace that the client sent, and keeps it active for all that the
 * handler does; counts durations by method, route and status. Telemetry must have been started before.
 */
export function createObserver(log: Log): Observe {
  const tracer = trace.getTracer('shutterlog');
  const durations = metrics.getMeter('shutterlog').createHistogram('http_server_request_duration_seconds', {
    description: 'How long requests took',
    advice: { explicitBucketBoundaries: SECONDS },
  });
  return ({ method, path }, handler) => {
    const attributes = { 'http.request.method': method.toUpperCase(), 'http.route': path };
    return (request, response, next) => {
      const began = performance.now();
      const parent = propagation.extract(ROOT_CONTEXT, request.headers);
      const span = tracer.startSpan(`${method.toUpperCase()} ${path}`, { kind: SpanKind.SERVER, attributes }, parent);
      response.once('close', () => {
        const status = response.statusCode;
        const seconds = (performance.now() - began) / 1000;
        durations.record(seconds, { ...attributes, 'http.response.status_code': status });
        span.setAttribute('http.response.status_code', status);
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
        log.debug(
          {
            request_id: requestIdOf(response),
            trace_id: span.spanContext().traceId,
            method: request.method,
            path: request.path,
            status,
            seconds,
          },
          'answered',
        );
      });
      return context.with(trace.setSpan(parent, span), () => handler(request, response, next));
    };
  };
}
