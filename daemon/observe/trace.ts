// Spans of what clients call, sent over OTLP. The packages for that are loaded only where a receiver is configured; what is not
// delivered is dropped, and nothing waits for it.

import type { Attributes, Context, Span, SpanStatusCode } from '@opentelemetry/api';
import type { Log } from './log.ts';
import { formatTraceParent, parseTraceParent } from './trace-parent.ts';

/** Spans that wait to be sent; later ones are dropped. */
const MAX_QUEUED = 2048;
const MAX_EVENTS = 32;
const EXPORT_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 3000;

export interface ActiveSpan {
  /** For what is done on its behalf elsewhere, and for the record. */
  readonly traceParent: string;
  set(attributes: Attributes): void;
  event(name: string, attributes: Attributes): void;
  /** `failure`: code and message of the error, if it was one. */
  end(failure?: { readonly code: string; readonly message: string }): void;
}

export interface Tracer {
  start(name: string, parent: string | undefined, attributes: Attributes): ActiveSpan;
  /** Sends what waits, for some seconds at most. */
  stop(): Promise<void>;
}

export interface TracerOptions {
  /** Of the receiver, `/v1/traces` included. */
  readonly url: string;
  readonly version: string;
  readonly instanceId: string;
  readonly log: Log;
}

export async function openTracer({ url, version, instanceId, log }: TracerOptions): Promise<Tracer> {
  const api = await import('@opentelemetry/api');
  const { BasicTracerProvider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace-base');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  api.diag.setLogger(
    {
      error: (message) => log.warn({ message }, 'traces not delivered'),
      warn: () => undefined,
      info: () => undefined,
      debug: () => undefined,
      verbose: () => undefined,
    },
    { logLevel: api.DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'cloister', 'service.version': version, 'service.instance.id': instanceId }),
    spanLimits: { eventCountLimit: MAX_EVENTS, attributeValueLengthLimit: 1024 },
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_LIMIT_MS }), {
        maxQueueSize: MAX_QUEUED,
        exportTimeoutMillis: EXPORT_LIMIT_MS,
      }),
    ],
  });
  const tracer = provider.getTracer('cloister', version);
  const contextOf = (text: string | undefined): Context => {
    const parent = parseTraceParent(text);
    if (parent === null) return api.ROOT_CONTEXT;
    const { traceId, spanId, flags } = parent;
    return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true });
  };
  return {
    start: (name, parent, attributes) =>
      activeSpan(tracer.startSpan(name, { kind: api.SpanKind.SERVER, attributes }, contextOf(parent)), api.SpanStatusCode.ERROR),
    stop: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, STOP_LIMIT_MS);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
      api.diag.disable();
    },
  };
}

function activeSpan(span: Span, errorStatus: SpanStatusCode): ActiveSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceParent: formatTraceParent({ traceId, spanId, flags: traceFlags }),
    set: (attributes) => void span.setAttributes(attributes),
    event: (name, attributes) => void span.addEvent(name, attributes),
    end: (failure) => {
      if (failure !== undefined) {
        span.setAttribute('error.type', failure.code);
        span.setStatus({ code: errorStatus, message: failure.message });
      }
      span.end();
    },
  };
}
