// Readiness: asks /readyz on the daemon's own socket, with a token that may only look. node ready.mjs SOCKET TOKEN_FILE
import { readFileSync } from 'node:fs';
import { request } from 'node:http';

const [socketPath, tokenFile] = process.argv.slice(2);
const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
request({ socketPath, path: '/readyz', headers: { authorization } }, (answer) => {
  answer.pipe(process.stdout);
  process.exitCode = answer.statusCode === 200 ? 0 : 1;
}).end();
