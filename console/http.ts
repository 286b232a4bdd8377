// Plain HTTP to the daemon that served the page. The token goes in a header and nowhere else.

export class Refusal extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint = '') {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.hint = hint;
  }
}

export class Http {
  readonly #token: string;
  readonly #onUnauthenticated: (why: string) => void;

  constructor(token: string, onUnauthenticated: (why: string) => void) {
    this.#token = token;
    this.#onUnauthenticated = onUnauthenticated;
  }

  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    // Safe because: see answers.ts.
    return (await (await this.#fetch(path, { signal: signal ?? null })).json()) as T;
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return (await (await this.#fetch(path, { method: 'POST', body: JSON.stringify(body) })).json()) as T;
  }

  /** Values of a stream of JSON lines, until its end or the signal. */
  async *lines<T>(path: string, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const response = await this.#fetch(path, { signal });
    if (response.body === null) return;
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) if (line !== '') yield JSON.parse(line) as T;
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}` };
    const response = await fetch(path, { ...init, headers, credentials: 'omit', cache: 'no-store', redirect: 'error' }).catch(
      (error: unknown) => {
        if (init.signal?.aborted === true) throw error;
        throw new Refusal('UNREACHABLE', 'The daemon does not answer.', 'It may be restarting; this page keeps trying.');
      },
    );
    if (response.ok) return response;
    const {
      code = 'INTERNAL',
      message = response.statusText,
      hint = '',
    } = (await response.json().catch(() => ({}))) as {
      code?: string;
      message?: string;
      hint?: string;
    };
    if (response.status === 401) this.#onUnauthenticated(message);
    throw new Refusal(code, message, hint);
  }
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

export const refusalText = (error: unknown): string =>
  error instanceof Refusal ? `${error.message}${error.hint === '' ? '' : ` ${error.hint}`}` : String(error);
