// The conformance tool of MCP against /mcp of a daemon: a door that adds the token, which the tool can't send, and the tool as a
// process of its own.

import { execFile } from 'node:child_process';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const TOOL = join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/conformance/dist/index.js');
/** The tool imports `globSync` from `fs`, which Node 20 lacks and none of the scenarios here calls. */
const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module';
  const shim = 'data:text/javascript,' + encodeURIComponent("export * from 'node:fs'; export { default } from 'node:fs'; export const globSync = () => [];");
  register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(specifier, context, next) {
    return specifier === 'fs' && context.parentURL?.includes('/conformance/') ? { url: \${JSON.stringify(shim)}, shortCircuit: true } : next(specifier, context);
  }\`));
`)}`;

export interface TokenDoor extends AsyncDisposable {
  /** http://127.0.0.1:PORT */
  readonly http: string;
}

/** Passes requests on with the token; a Host or Origin that names the door is made to name the daemon, any other goes on as it is. */
export async function openTokenDoor(daemon: string, token: string): Promise<TokenDoor> {
  const target = new URL(daemon);
  const server = createServer((incoming, outgoing) => {
    const own = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { host, origin, ...rest } = incoming.headers;
    const headers = {
      ...rest,
      authorization: `Bearer ${token}`,
      host: host === own ? target.host : host,
      ...(origin === undefined ? {} : { origin: origin === `http://${own}` ? target.origin : origin }),
    };
    const passed = request({ host: target.hostname, port: target.port, path: incoming.url, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    http: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Scenario -> whether it passed; the tool knows many that want tools and resources of its own making. */
export function conformance(url: string): Promise<ReadonlyMap<string, boolean>> {
  const argv = ['--import', HOOK, TOOL, 'server', '--url', url, '--suite', 'active'];
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout) => {
      const summary = stdout.slice(stdout.indexOf('=== SUMMARY ==='));
      resolve(new Map([...summary.matchAll(/^([✓✗]) ([a-z0-9-]+):/gm)].map(([, mark, name = '']) => [name, mark === '✓'])));
    });
  });
}
