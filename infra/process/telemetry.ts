import {
  context,
  isSpanContextValid,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, InstrumentType, MeterProvider } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Tracing and metrics of one process. */
export type Telemetry = {
  /** Answers a scrape in the Prometheus text format. */
  metricsHandler(request: IncomingMessage, response: ServerResponse): void;
  shutdown(): Promise<void>;
};

/**
 * Starts tracing and metrics for the process; call once, before anything asks for a tracer or a meter. Spans go to the
 * OTLP endpoint when one is given; without one they still give log lines their trace ids. `spanProcessors` is for
 * tests.
 */
export function startTelemetry(options: {
  process: string;
  otlpEndpoint?: string | undefined;
  spanProcessors?: SpanProcessor[];
}): Telemetry {
  const resource = resourceFromAttributes({ [ATTR_SERVICE_NAME]: `shutterlog-${options.process}` });
  const exporter =
    options.otlpEndpoint === undefined
      ? []
      : [
          new BatchSpanProcessor(
            new OTLPTraceExporter({ url: `${options.otlpEndpoint.replace(/\/$/, '')}/v1/traces` }),
          ),
        ];
  const spanProcessors = [...exporter, ...(options.spanProcessors ?? [])];
  // Where nobody gets the spans, nothing is recorded in them: they are ids alone.
  const tracing = new NodeTracerProvider({
    resource,
    spanProcessors,
    ...(spanProcessors.length === 0 && { sampler: new AlwaysOffSampler() }),
  });
  tracing.register();
  const scrape = new Scrape({ preventServerStart: true });
  const metering = new MeterProvider({ resource, readers: [scrape] });
  metrics.setGlobalMeterProvider(metering);
  return {
    metricsHandler: (request, response) => {
      scrape.getMetricsRequestHandler(request, response);
    },
    shutdown: async () => {
      await tracing.shutdown();
      await metering.shutdown();
      trace.disable();
      context.disable();
      propagation.disable();
      metrics.disable();
    },
  };
}

/** A source of an observed gauge that does not answer keeps nobody from all the others for longer. */
const SCRAPE_LIMIT_MS = 5_000;

/**
 * The exporter shows an observed gauge for ever as it last was, with every set of labels that it ever had. Here a
 * series that is no longer told of is gone. What is observed is then given out once, so scrapes at the same time share
 * it.
 */
class Scrape extends PrometheusExporter {
  #underWay: ReturnType<PrometheusExporter['collect']> | undefined;

  override selectAggregationTemporality(instrument: InstrumentType): AggregationTemporality {
    return instrument === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : super.selectAggregationTemporality(instrument);
  }

  override collect(): ReturnType<PrometheusExporter['collect']> {
    this.#underWay ??= super.collect({ timeoutMillis: SCRAPE_LIMIT_MS }).finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }
}

const tracer = () => trace.getTracer('shutterlog');

/**
 * Runs `work` inside a span, under the active one or under `parent` (a W3C traceparent, as events carry it). An error
 * is recorded on the span and thrown on.
 */
export async function inSpan<T>(
  name: string,
  options: { attributes?: Attributes; kind?: SpanKind; parent?: string | undefined },
  work: () => Promise<T>,
): Promise<T> {
  const under = options.parent === undefined ? context.active() : contextOf(options.parent);
  return tracer().startActiveSpan(
    name,
    {
      kind: options.kind ?? SpanKind.INTERNAL,
      ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
    },
    under,
    async (span) => {
      try {
        return await work();
      } catch (error) {
        span.recordException(error instanceof Error ? error : String(error));
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    },
  );
}

/** Records work that is already done as a span from `startedAt` until now, under `parent` (a W3C traceparent). */
export function recordSpan(
  name: string,
  { parent, startedAt, attributes }: { parent: string; startedAt: Date; attributes: Attributes },
): void {
  tracer().startSpan(name, { startTime: startedAt, attributes }, contextOf(parent)).end();
}

/** The active trace as a W3C traceparent, for an event's metadata or an outgoing request; undefined outside a span. */
export function currentTraceparent(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`;
}

function contextOf(traceparent: string): Context {
  return propagation.extract(ROOT_CONTEXT, { traceparent });
}
