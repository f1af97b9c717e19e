import { trace } from '@opentelemetry/api';
import { pino, type Logger } from 'pino';

export type Log = Logger;

/**
 * Structured log lines on standard output, each with the ids of the active trace; personal data and secrets never go
 * in.
 */
export function createLog(options: { process: string; level: string }): Log {
  return pino({
    level: options.level,
    base: { process: options.process },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['password', 'authorization', '*.password', '*.authorization', 'req.headers.authorization'],
      censor: '[hidden]',
    },
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext();
      return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
    },
  });
}
