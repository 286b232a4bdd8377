// Asks again and again for what changes, as long as somebody looks at the page.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { isAbort } from './http.ts';

export interface Polled<T> {
  readonly value: T | null;
  readonly error: unknown;
  /** Asks now. */
  readonly refresh: () => void;
}

/** `key` names what is asked for: another one begins anew. A hidden page asks nothing. */
export function usePolling<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, everyMs: number): Polled<T> {
  const [state, setState] = useState<{ key: string; value: T | null; error: unknown }>({ key, value: null, error: null });
  const latest = useRef(ask);
  latest.current = ask;
  const now = useRef<() => void>(() => undefined);
  useEffect(() => {
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAsking = false;
    const round = async (): Promise<void> => {
      clearTimeout(timer);
      if (isAsking || ended.signal.aborted) return;
      isAsking = true;
      try {
        if (!document.hidden) {
          const value = await latest.current(ended.signal);
          setState((before) =>
            before.key === key && before.value === value && before.error === null ? before : { key, value, error: null },
          );
        }
      } catch (error) {
        if (!isAbort(error)) setState((before) => ({ key, value: before.key === key ? before.value : null, error }));
      }
      isAsking = false;
      if (!ended.signal.aborted) timer = setTimeout(() => void round(), everyMs);
    };
    now.current = () => void round();
    const onVisible = (): void => {
      if (!document.hidden) void round();
    };
    document.addEventListener('visibilitychange', onVisible);
    void round();
    return () => {
      ended.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [key, everyMs]);
  const refresh = useCallback(() => now.current(), []);
  return useMemo(
    () => (state.key === key ? { value: state.value, error: state.error, refresh } : { value: null, error: null, refresh }),
    [state, key, refresh],
  );
}

/** The present, now and then. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
