import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { listen, type RunningServer } from '../infra/http/server.ts';
import { send } from './http.ts';
import { startWorld, type World } from './world.ts';

// Goal: one request can be followed through all processes. Method: a whole stack sends its spans, as OTLP in JSON, to a
// collector that remembers them.
const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({
        attributes: z.array(
          z.object({ key: z.string(), value: z.looseObject({ stringValue: z.string().optional() }) }),
        ),
      }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
            }),
          ),
        }),
      ),
    }),
  ),
});
type Span = { readonly process: string; readonly traceId: string; readonly name: string };

const spans: Span[] = [];
const collect: RequestListener = (request, response) => {
  void json(request).then((body) => {
    for (const { resource, scopeSpans } of Export.parse(body).resourceSpans) {
      const process = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      spans.push(
        ...scopeSpans.flatMap((scope) => scope.spans.map(({ traceId, name }) => ({ process, traceId, name }))),
      );
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
};

let collector: RunningServer;
let world: World;
beforeAll(async () => {
  collector = await listen(collect, { port: 0, host: '127.0.0.1' });
  world = await startWorld({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${String(collector.port)}`, LOG_LEVEL: 'debug' },
  });
});
afterAll(async () => {
  await world.stop();
  await collector.close();
});

const seen = (traceId: string) =>
  new Set(spans.filter((span) => span.traceId === traceId).map(({ process, name }) => `${process}: ${name}`));

describe('one request', () => {
  it('is one trace from HTTP over its event to projections, lanes and reactions, and one id in answer and log', async () => {
    const [ann, ben] = [await world.person(), await world.person()];
    const [traceId, requestId] = [randomBytes(16).toString('hex'), `request-${randomBytes(4).toString('hex')}`];
    const headers = { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01`, 'x-request-id': requestId };
    const answer = await send(`${world.stack.edgeUrl}/v1/users/${ann.username}/follow`, {
      method: 'POST',
      token: ben.accessToken,
      headers,
    });
    expect([answer.status, answer.headers.get('x-request-id')]).toEqual([200, requestId]);
    await expect
      .poll(() => [...seen(traceId)].toSorted(), { timeout: 60_000 })
      .toEqual(
        expect.arrayContaining([
          'shutterlog-projector: project follows',
          'shutterlog-reactor: react celebrity-status',
          'shutterlog-write-api: POST /v1/users/{username}/follow',
        ]),
      );
    const line = world.stack.lastLines('write-api').find((one) => one.includes(requestId));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      process: 'write-api',
      trace_id: traceId,
      method: 'POST',
      status: 200,
    });
  });

  it('is counted by every process that had to do with it', async () => {
    const ann = await world.person();
    await ann.get(`/v1/users/${ann.username}`);
    const metrics = async (url: string) => String((await send(`${url}/metrics`)).body);
    expect(await metrics(world.stack.writeUrl)).toMatch(
      /http_server_request_duration_seconds_count\{[^}]*http_route="\/v1\/users\/register"[^}]*status_code="201"[^}]*\} [1-9]/,
    );
    expect(await metrics(world.stack.readUrl)).toMatch(
      /http_server_request_duration_seconds_count\{[^}]*http_route="\/v1\/users\/\{username\}"[^}]*\} [1-9]/,
    );
    expect(await metrics(world.stack.projectorUrl)).toMatch(
      /^projection_events\{[^}]*projection="accounts"[^}]*\} [1-9]/m,
    );
    expect(await metrics(world.stack.reactorUrl)).toMatch(/^\w+\{[^}]*reaction="celebrity-status"/m);
  });
});
