import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, expect, it } from 'vitest';
import { currentTraceparent, inSpan, startTelemetry, type Telemetry } from './telemetry.ts';

let telemetry: Telemetry | undefined;
afterEach(async () => {
  await telemetry?.shutdown();
});

function start(): InMemorySpanExporter {
  const spans = new InMemorySpanExporter();
  telemetry = startTelemetry({ process: 'test', spanProcessors: [new SimpleSpanProcessor(spans)] });
  return spans;
}

it('continues the trace of the request when an event is handled later, from the traceparent that the event carries', async () => {
  const spans = start();
  const carried = await inSpan('request', {}, async () => currentTraceparent());
  await inSpan('project', { parent: carried }, async () => undefined);
  const [request, project] = spans.getFinishedSpans();
  expect(project?.spanContext().traceId).toBe(request?.spanContext().traceId);
  expect(project?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
});

it('records a failure on its span and passes it on', async () => {
  const spans = start();
  await expect(
    inSpan('work', {}, async () => {
      throw new Error('broken');
    }),
  ).rejects.toThrow('broken');
  expect(spans.getFinishedSpans()[0]?.events[0]?.attributes?.['exception.message']).toBe('broken');
});

it('has no traceparent outside a span', () => {
  start();
  expect(currentTraceparent()).toBeUndefined();
});
