// Counts, times and traces every call on its way to its handler. What a call means is the handlers' business.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Operation, ParsedParams, Result } from '../../client/protocol/requests.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ActiveSpan, Tracer } from '../observe/trace.ts';
import type { Connection, Dispatch } from './connection.ts';

/** Egress decisions of a command that its span tells of; the audit log has all. */
const MAX_TOLD = 20;

interface Observers {
  readonly metrics: Metrics;
  /** null: nobody is told of spans. */
  readonly tracer: Tracer | null;
  /** Milliseconds of a clock that nobody sets. */
  readonly elapsed: () => number;
}

export function observedDispatch(dispatch: Dispatch, { metrics, tracer, elapsed }: Observers): Dispatch {
  /** Of connections that said one when they introduced themselves. */
  const parents = new WeakMap<Connection, string>();
  return async (connection, operation, params) => {
    const startedMs = elapsed();
    const own = traceParentOf(params);
    if (operation === 'hello' && own !== undefined) parents.set(connection, own);
    const span = tracer?.start(operation, own ?? parents.get(connection), attributesOf(connection, params)) ?? null;
    const known = span?.traceParent ?? own ?? parents.get(connection);
    try {
      const result = await dispatch(connection, operation, known === undefined ? params : withTrace(operation, params, known));
      const elapsedMs = elapsed() - startedMs;
      metrics.called(operation, 'ok', elapsedMs / 1000);
      // Safe because: it is what this very operation's handler has just answered.
      if (operation === 'open') onOpened(metrics, span, result as Result<'open'>, elapsedMs);
      if (operation === 'exec.start')
        onAnswered(metrics, span, result as Result<'exec.start'>, params as ParsedParams<'exec.start'>, elapsedMs);
      span?.end();
      return result;
    } catch (error) {
      const code = SandboxError.is(error) ? error.code : 'INTERNAL';
      metrics.called(operation, code, (elapsed() - startedMs) / 1000);
      span?.end({ code, message: SandboxError.is(error) ? error.message : 'an internal failure' });
      throw error;
    }
  };
}

function onOpened(metrics: Metrics, span: ActiveSpan | null, result: Result<'open'>, elapsedMs: number): void {
  metrics.opened(result.startKind, elapsedMs / 1000);
  span?.set({ 'cloister.sandbox': result.id, 'cloister.start': result.startKind });
}

function onAnswered(
  metrics: Metrics,
  span: ActiveSpan | null,
  result: Result<'exec.start'>,
  { background, yieldMs }: ParsedParams<'exec.start'>,
  elapsedMs: number,
): void {
  // Only where the call lasts as long as the command, and nobody was asked anything meanwhile.
  if (result.outcome === 'exited' && !background && yieldMs === undefined) metrics.execAnswered((elapsedMs - result.durationMs) / 1000);
  if (span === null) return;
  span.set({
    'cloister.outcome': result.outcome,
    'cloister.duration_ms': result.durationMs,
    'cloister.cpu_ms': result.cpuMs,
    ...(result.exitCode === null ? {} : { 'process.exit.code': result.exitCode }),
  });
  for (const { host, port, verdict, reason, rule } of result.egress.slice(0, MAX_TOLD)) {
    span.event('egress', { 'server.address': host, 'server.port': port, verdict, reason, rule });
  }
}

function attributesOf({ principal }: Connection, params: unknown): Record<string, string> {
  const of = (name: string): string | undefined => field(params, name);
  const [sandbox, session, exec] = [of('sandbox'), of('session'), of('execId')];
  return {
    'cloister.tenant': principal.tenant ?? '',
    ...(sandbox === undefined ? {} : { 'cloister.sandbox': sandbox }),
    ...(session === undefined ? {} : { 'cloister.session': session }),
    ...(exec === undefined ? {} : { 'cloister.exec': exec }),
  };
}

/** The record of the call names its span. */
const withTrace = (operation: Operation, params: unknown, traceParent: string): unknown =>
  operation === 'exec.start' ? { ...(params as ParsedParams<'exec.start'>), traceparent: traceParent } : params;

const traceParentOf = (params: unknown): string | undefined => field(params, 'traceparent');

function field(params: unknown, name: string): string | undefined {
  if (typeof params !== 'object' || params === null) return undefined;
  const value = (params as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : undefined;
}
