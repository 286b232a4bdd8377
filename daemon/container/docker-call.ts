// One bounded call to the engine: time-out, cancellation and the mapping of every failure to a SandboxError.
// Knows nothing of dockerode nor of what the call does.
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { CallOptions } from './driver.ts';

export interface CallName {
  readonly verb: string;
  readonly object: string;
}

/** An answer of the engine that is not a success, as dockerode throws it. */
const refusalSchema = z.object({ statusCode: z.number(), message: z.string(), json: z.unknown().optional() });
const refusalBodySchema = z.object({ message: z.string() });

export interface Refusal {
  readonly statusCode: number;
  readonly message: string;
}

/** The engine's refusal behind an error, or null when it never answered. */
export function refusalOf(error: unknown): Refusal | null {
  const parsed = refusalSchema.safeParse(error);
  if (!parsed.success) return null;
  const body = refusalBodySchema.safeParse(parsed.data.json);
  const message = body.success ? body.data.message : parsed.data.message;
  // The engine repeats the call in front of some causes.
  const cause = message.trim().replace(/^Cannot \w+ container:? \S+: /, '');
  return { statusCode: parsed.data.statusCode, message: cause.slice(0, 2000) };
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return `its answer is not understood (${z.prettifyError(error).replaceAll('\n', ' ').slice(0, 500)})`;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const words = error instanceof Error ? error.message : String(error);
  return code !== '' && !words.includes(code) ? `${words} (${code})` : words;
}

export function engineError(name: CallName, endpoint: string, error: unknown): SandboxError {
  if (error instanceof SandboxError) return error;
  const refusal = refusalOf(error);
  const subject = `Cannot ${name.verb} ${name.object}`;
  if (refusal === null)
    return new SandboxError('ENGINE_UNAVAILABLE', `${subject}: the engine at ${endpoint} cannot be used: ${reasonOf(error)}`, {
      cause: error,
    });
  if (refusal.statusCode === 404) return new SandboxError('NOT_FOUND', `${subject}: ${refusal.message}`, { cause: error });
  if (refusal.statusCode === 503) return new SandboxError('ENGINE_UNAVAILABLE', `${subject}: ${refusal.message}`, { cause: error });
  return new SandboxError('SANDBOX_FAILED', `${subject}: the engine refused (${refusal.statusCode}): ${refusal.message}`, { cause: error });
}

interface BoundedCall<T> {
  readonly name: CallName;
  readonly endpoint: string;
  /** Milliseconds; Infinity for calls that wait for an event. */
  readonly defaultTimeoutMs: number;
  readonly options: CallOptions | undefined;
  readonly run: (signal: AbortSignal) => Promise<T>;
}

/** Runs one engine call. A hung engine is reported at the deadline and not waited for. */
export async function boundedCall<T>(call: BoundedCall<T>): Promise<T> {
  const timeoutMs = call.options?.timeoutMs ?? call.defaultTimeoutMs;
  const outer = call.options?.signal;
  outer?.throwIfAborted();
  const controller = new AbortController();
  const stop = (reason: unknown): void => controller.abort(reason);
  const ended = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  ended.catch(() => undefined);
  const onOuterAbort = (): void => stop(outer?.reason);
  outer?.addEventListener('abort', onOuterAbort, { once: true });
  const late = (): void =>
    stop(
      new SandboxError(
        'ENGINE_UNAVAILABLE',
        `Cannot ${call.name.verb} ${call.name.object}: the engine at ${call.endpoint} did not answer within ${timeoutMs / 1000} s`,
      ),
    );
  const timer = Number.isFinite(timeoutMs) ? setTimeout(late, timeoutMs) : undefined;
  try {
    return await Promise.race([call.run(controller.signal), ended]);
  } catch (error) {
    if (outer?.aborted === true) throw outer.reason;
    throw engineError(call.name, call.endpoint, error);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onOuterAbort);
  }
}
