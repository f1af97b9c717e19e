import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTelemetry, type Telemetry } from '../process/telemetry.ts';
import { createHttpApp } from './app.ts';
import { defineRoute } from './route.ts';
import { listen, type RunningServer } from './server.ts';

const spans = new InMemorySpanExporter();
const lines: string[] = [];
let telemetry: Telemetry;
let server: RunningServer;
let origin: string;

beforeAll(async () => {
  telemetry = startTelemetry({ process: 'test', spanProcessors: [new SimpleSpanProcessor(spans)] });
  const app = createHttpApp({
    title: 'T',
    version: '1',
    description: 'T',
    health: {},
    problemOf: ({ code }) => ({ status: 404, code }),
    log: pino(
      { level: 'debug' },
      {
        write: (line: string) => {
          lines.push(line);
        },
      },
    ),
    authenticator: { account: async () => ({ ok: false, reason: 'invalid' }), operator: async () => false },
    metrics: (request, response) => {
      telemetry.metricsHandler(request, response);
    },
    routes: [
      defineRoute({
        method: 'get',
        path: '/v1/things/{id}',
        summary: 'T',
        tags: ['t'],
        auth: 'none',
        params: z.object({ id: z.string() }),
        responses: { 200: z.object({ traceparent: z.string(), inside: z.string() }) },
        handler: async ({ params, context }) => {
          if (params.id === 'broken') throw new Error('broken');
          return {
            status: 200,
            body: {
              traceparent: context.traceparent ?? '',
              inside: trace.getActiveSpan()?.spanContext().traceId ?? '',
            },
          };
        },
      }),
    ],
  });
  server = await listen(app, { port: 0, host: '127.0.0.1' });
  origin = `http://127.0.0.1:${String(server.port)}`;
});
afterAll(async () => {
  await server.close();
  await telemetry.shutdown();
});

const traceId = '0af7651916cd43dd8448eb211c80319c';

describe('a request', () => {
  it('is a span in the trace of the client, and what the handler does belongs to it', async () => {
    const response = await fetch(`${origin}/v1/things/1`, {
      headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01`, 'x-request-id': 'watched' },
    });
    const body = (await response.json()) as { traceparent: string; inside: string };
    expect(body.inside).toBe(traceId);
    await expect
      .poll(() => spans.getFinishedSpans().find((span) => span.spanContext().traceId === traceId))
      .toBeDefined();
    const span = spans.getFinishedSpans().find((each) => each.spanContext().traceId === traceId);
    expect(span).toMatchObject({
      name: 'GET /v1/things/{id}',
      attributes: { 'http.route': '/v1/things/{id}', 'http.response.status_code': 200 },
      parentSpanContext: { spanId: 'b7ad6b7169203331' },
    });
    expect(body.traceparent).toBe(`00-${traceId}-${span?.spanContext().spanId ?? ''}-01`);
    expect(lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ msg: 'answered', request_id: 'watched', trace_id: traceId, status: 200 }),
    );
  });

  it('is measured by route and status, and a failure is logged with its ids', async () => {
    await fetch(`${origin}/v1/things/broken`, { headers: { 'x-request-id': 'failing' } });
    const metrics = await (await fetch(`${origin}/metrics`)).text();
    expect(metrics).toMatch(
      /http_server_request_duration_seconds_count\{[^}]*http_route="\/v1\/things\/\{id\}"[^}]*http_response_status_code="500"[^}]*\} 1/,
    );
    expect(lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ level: 50, msg: 'request failed', request_id: 'failing' }),
    );
  });
});
