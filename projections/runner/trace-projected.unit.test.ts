import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseEvent } from '../../domain/event-log.ts';
import { START_OF_LOG } from '../../domain/position.ts';
import { currentTraceparent, inSpan, startTelemetry, type Telemetry } from '../../infra/process/telemetry.ts';
import type { Share } from './apply-batch.ts';
import { traceProjected } from './trace-projected.ts';

const [follower, followee] = ['acc_01jd0000000000000000000001', 'acc_01jd0000000000000000000002'];
const spans = new InMemorySpanExporter();
let telemetry: Telemetry;
beforeEach(() => {
  spans.reset();
  telemetry = startTelemetry({ process: 'test', spanProcessors: [new SimpleSpanProcessor(spans)] });
});
afterEach(() => telemetry.shutdown());

function shareOf(traceparent: string | undefined, events = 1): Share {
  const recorded = {
    streamId: 's',
    revision: 0n,
    position: START_OF_LOG,
    id: 'e',
    type: 'AccountFollowed',
    createdAt: new Date(0),
    data: { followerId: follower, followeeId: followee },
  };
  const metadata = {
    $correlationId: 'c',
    $causationId: 'c',
    commandId: '5e0e28f0-8f0c-4d8e-9a55-7d3a8f6f0f11',
    actorId: follower,
    owners: [followee],
    occurredAt: '2026-03-01T10:00:00.000Z',
    schemaVersion: 1,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  return {
    step: { buildId: 1, storeId: 's', from: START_OF_LOG, to: START_OF_LOG, events },
    handled: [{ recorded, event: parseEvent({ ...recorded, metadata })! }],
  };
}

const projected = () => spans.getFinishedSpans().filter(({ name }) => name === 'project follows');

it('continues the trace of the request that caused the event', async () => {
  const traceparent = await inSpan('request', {}, async () => currentTraceparent());
  traceProjected('follows', shareOf(traceparent), new Date());
  expect(projected()).toHaveLength(1);
  expect(projected()[0]?.spanContext().traceId).toBe(traceparent?.split('-')[1]);
});

it('says nothing of an event without a trace, nor of a replay', async () => {
  const traceparent = await inSpan('request', {}, async () => currentTraceparent());
  traceProjected('follows', shareOf(undefined), new Date());
  traceProjected('follows', shareOf(traceparent, 2_000), new Date());
  expect(projected()).toEqual([]);
});
