// Which of E2B's API paths are served, and what the others are answered with: that they are not, and what to do instead.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { SandboxError } from '../../client/index.ts';
import type { ApiKey } from './api-keys.ts';
import { Unsupported } from './failure.ts';
import { readJson, sendJson } from './http-io.ts';
import { noSandbox } from './live-sandboxes.ts';
import type { Room } from './room.ts';
import type { ApiAnswer, ApiCall, SandboxApi } from './sandbox-api.ts';

const MAX_BODY_BYTES = 1024 * 1024;

type Served = (api: SandboxApi, call: ApiCall, id: string) => Promise<ApiAnswer>;

const SERVED: readonly { readonly method: string; readonly path: RegExp; readonly serve: Served }[] = [
  { method: 'POST', path: /^\/(?:v2\/)?sandboxes$/, serve: (api, call) => api.create(call) },
  { method: 'GET', path: /^\/v2\/sandboxes$/, serve: (api, call) => api.list(call, false) },
  { method: 'GET', path: /^\/sandboxes$/, serve: (api, call) => api.list(call, true) },
  { method: 'GET', path: /^\/sandboxes\/([^/]+)$/, serve: (api, call, id) => api.get(call, id) },
  { method: 'DELETE', path: /^\/sandboxes\/([^/]+)$/, serve: (api, call, id) => api.kill(call, id) },
  { method: 'POST', path: /^\/(?:v2\/)?sandboxes\/([^/]+)\/(?:connect|resume)$/, serve: (api, call, id) => api.connect(call, id) },
  { method: 'POST', path: /^\/sandboxes\/([^/]+)\/pause$/, serve: (api, call, id) => api.pause(call, id) },
  { method: 'POST', path: /^\/sandboxes\/([^/]+)\/timeout$/, serve: (api, call, id) => api.setTimeout(call, id) },
  { method: 'PUT', path: /^\/sandboxes\/([^/]+)\/network$/, serve: (api, call, id) => api.setNetwork(call, id) },
];

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/snapshots|fork/, 'The Cloister client has snapshots and forks of workspaces.'],
  [/metrics/, "Cloister's /metrics and console show what sandboxes use."],
  [/logs/, "Cloister's audit log has every command; its output is the command's own."],
  [/volumes/, 'Every sandbox has one workspace; upload what it needs.'],
  [/templates|builds|files/, 'Images come from the operator: images.allow and compat.e2b.templates.'],
];

interface ApiRequest {
  readonly key: ApiKey;
  readonly room: Room;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

export async function answerApi(api: SandboxApi, { key, room, request, response, url }: ApiRequest): Promise<void> {
  for (const { method, path, serve } of SERVED) {
    const found = method === request.method ? path.exec(url.pathname) : null;
    if (found === null) continue;
    const call = { key, query: url.searchParams, body: () => readJson(request, MAX_BODY_BYTES, room) };
    const { status, body, headers } = await serve(api, call, found[1] ?? '').catch((error: unknown) => {
      // It has ended since it was looked for: to this API there is none of that id.
      throw SandboxError.is(error) && error.retry === 'new-session' ? noSandbox(found[1] ?? '') : error;
    });
    return sendJson(response, status, body, headers);
  }
  const hint = HINTS.find(([pattern]) => pattern.test(url.pathname))?.[1];
  throw new Unsupported(`${request.method} ${url.pathname}`, hint ?? 'docs/e2b.md lists what there is.');
}
