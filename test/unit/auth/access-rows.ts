// Who may call what: one row for every operation of the protocol and every HTTP route. Whoever adds one adds its row here, or
// access-matrix.test.ts fails.

/** What it takes of a connection that has (or has not) opened the session; null: it is about no session. */
type Need = 'watch' | 'work' | 'control' | null;

export interface OperationRow {
  readonly need: Need;
  /** Of an operator's connection, where that differs. */
  readonly operatorNeed?: Need;
  /** Also under an observer's token. */
  readonly observer?: true;
  /** Also under a read-only token. */
  readonly reading?: true;
  readonly operatorsOnly?: true;
  /** Beside the sandbox. */
  readonly params: Readonly<Record<string, unknown>>;
}

const path = { path: 'a' };
const execId = 'x';

export const OPERATION_ROWS: Readonly<Record<string, OperationRow>> = {
  // `hello` and `open` have claims of their own.
  hello: { need: null, observer: true, reading: true, params: {} },
  open: { need: null, observer: true, reading: true, params: {} },
  close: { need: 'control', params: {} },
  list: { need: null, observer: true, reading: true, params: {} },
  extend: { need: 'control', params: { ttlMs: 5000 } },
  pause: { need: 'control', params: {} },
  resume: { need: 'control', params: {} },
  'exec.start': { need: 'work', params: { execId, command: 'id', background: true, yieldMs: 1 } },
  'exec.attach': { need: 'watch', observer: true, reading: true, params: { execId, yieldMs: 1 } },
  'exec.kill': { need: 'work', operatorNeed: 'control', params: { execId } },
  'exec.resize': { need: 'work', params: { execId, size: { columns: 80, rows: 24 } } },
  'exec.list': { need: 'watch', observer: true, reading: true, params: {} },
  'files.read': { need: 'work', reading: true, params: { ...path, stream: 3 } },
  'files.write': { need: 'work', params: { ...path, stream: 3 } },
  'files.list': { need: 'work', reading: true, params: path },
  'files.glob': { need: 'work', reading: true, params: { pattern: ['*'], stream: 3 } },
  'files.grep': { need: 'work', reading: true, params: { pattern: 'a', stream: 3 } },
  'files.watch': { need: 'work', reading: true, params: { ...path, stream: 3 } },
  'files.stat': { need: 'work', reading: true, params: path },
  'files.mkdir': { need: 'work', params: path },
  'files.remove': { need: 'work', params: path },
  'files.move': { need: 'work', params: { ...path, to: 'b' } },
  'files.copy': { need: 'work', params: { ...path, to: 'b' } },
  'files.chmod': { need: 'work', params: { ...path, mode: 0o600 } },
  'files.readlink': { need: 'work', reading: true, params: path },
  'files.symlink': { need: 'work', params: { ...path, target: 'b' } },
  'files.view': { need: 'work', reading: true, params: path },
  'files.edit': { need: 'work', params: { ...path, edits: [{ oldText: 'a', newText: 'b' }] } },
  'files.insert': { need: 'work', params: { ...path, line: 0, text: 'a' } },
  'files.patch': { need: 'work', params: { patch: 'x' } },
  'files.undoEdit': { need: 'work', params: path },
  'files.upload': { need: 'work', params: { ...path, stream: 3 } },
  'files.download': { need: 'work', reading: true, params: { ...path, stream: 3 } },
  'confirm.answer': { need: 'control', params: { id: 'c', answer: 'deny' } },
  'confirm.list': { need: null, reading: true, params: {} },
  'permissions.get': { need: 'watch', reading: true, params: {} },
  'permissions.explain': { need: 'watch', reading: true, params: { command: 'id' } },
  'config.get': { need: null, reading: true, operatorsOnly: true, params: {} },
  'config.reload': { need: null, operatorsOnly: true, params: {} },
  'config.revert': { need: null, operatorsOnly: true, params: {} },
  'egress.set': { need: 'control', params: { policy: { mode: 'off' } } },
  'egress.explain': { need: 'watch', reading: true, params: { url: 'https://example.com/' } },
  'egress.proposal': { need: 'watch', reading: true, params: {} },
  'policy.explain': { need: null, reading: true, params: { url: 'https://example.com/' } },
  'ports.url': { need: 'work', params: { port: 3000 } },
  'secrets.set': { need: 'control', params: { name: 'TOKEN', secret: { value: 'abcdef' } } },
  report: { need: 'work', params: { inputTokens: 1 } },
  'workspace.usage': { need: 'work', reading: true, params: {} },
  'workspace.snapshot': { need: 'work', params: { name: 'n' } },
  'workspace.snapshots': { need: 'work', reading: true, params: {} },
  'workspace.deleteSnapshot': { need: 'work', params: { name: 'n' } },
  'workspace.restore': { need: 'control', params: { name: 'n' } },
  'workspace.fork': { need: 'work', params: { session: 'f' } },
  'workspace.diff': { need: 'work', reading: true, params: { since: 'n' } },
  'workspace.undo': { need: 'work', params: { execId } },
  'image.add': { need: null, operatorsOnly: true, params: { name: 'i', from: { kind: 'pull', reference: 'i:1' }, stream: 3 } },
  'image.list': { need: null, reading: true, operatorsOnly: true, params: {} },
  'image.remove': { need: null, operatorsOnly: true, params: { name: 'i' } },
};

export interface RouteRow {
  /** Beside `token`: any token; `operator`: one that may also change things; `anyOperator`: reading is enough; `seen`: who may see the sandbox of the path; `own`: the token's own id, or an operator. */
  readonly who: 'token' | 'operator' | 'anyOperator' | 'seen' | 'own';
  readonly body?: Readonly<Record<string, unknown>>;
}

/** METHOD path -> who. */
export const ROUTE_ROWS: Readonly<Record<string, RouteRow>> = {
  'GET /readyz': { who: 'token' },
  'GET /v1/sandboxes': { who: 'token' },
  'GET /v1/sandboxes/:id': { who: 'seen' },
  'GET /v1/audit': { who: 'token' },
  'GET /v1/recordings': { who: 'token' },
  'GET /v1/recordings/:id': { who: 'seen' },
  'POST /v1/tokens': { who: 'token', body: { ttlMs: 5000 } },
  'DELETE /v1/tokens/:id': { who: 'own' },
  'POST /v1/tokens/rotate': { who: 'operator', body: {} },
  'GET /v1/confirmations': { who: 'operator' },
  'POST /v1/confirmations/:id': { who: 'operator', body: { answer: 'deny' } },
  'GET /v1/config': { who: 'operator' },
  'POST /v1/config/reload': { who: 'operator' },
  'POST /v1/config/revert': { who: 'operator' },
  'GET /v1/self': { who: 'token' },
  'GET /v1/overview': { who: 'token' },
  'GET /v1/inspect/:id': { who: 'seen' },
  'GET /v1/doctor': { who: 'operator' },
  'GET /metrics': { who: 'anyOperator' },
};
