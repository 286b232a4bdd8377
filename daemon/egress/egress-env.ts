// What a command's environment says of the way out, so that ordinary tools take it. Pure.

import { TRUST_STORE_PASSWORD } from './java-trust-store.ts';

const PROXY = '127.0.0.1:3128';
const NOT_PROXIED = 'localhost,127.0.0.1,::1';
const CONNECT_PROGRAM = '/run/cloister-init';
const RUN_DIRECTORY = '/run/cloister';

/** Files in the run directory, once the TLS of some hosts is opened. */
export const TRUST_FILES = {
  /** The daemon's own authority, for tools that add it to those they know. */
  authority: 'egress-authority.pem',
  /** Everybody, for tools that know nobody else then. */
  bundle: 'egress-bundle.pem',
  java: 'egress-bundle.jks',
} as const;

/** The user name names the command to the egress process; the password says nothing. */
export function egressEnv(execId: string, isTlsOpened: boolean): Record<string, string> {
  const url = `http://${execId}:x@${PROXY}`;
  const [host = '', port = ''] = PROXY.split(':');
  const java = [`-Dhttp.proxyHost=${host}`, `-Dhttp.proxyPort=${port}`, `-Dhttps.proxyHost=${host}`, `-Dhttps.proxyPort=${port}`];
  return {
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    http_proxy: url,
    https_proxy: url,
    // HTTP and not SOCKS: clients without a SOCKS library fail on the mere sight of the other.
    ALL_PROXY: url,
    all_proxy: url,
    NO_PROXY: NOT_PROXIED,
    no_proxy: NOT_PROXIED,
    NODE_USE_ENV_PROXY: '1',
    // Git waits for a challenge otherwise, which never comes.
    GIT_HTTP_PROXY_AUTHMETHOD: 'basic',
    GIT_SSH_COMMAND: `ssh -o ProxyCommand='${CONNECT_PROGRAM} connect %h %p'`,
    JAVA_TOOL_OPTIONS: [...java, ...(isTlsOpened ? JAVA_TRUST : [])].join(' '),
    ...(isTlsOpened ? TRUST : {}),
  };
}

const BUNDLE = `${RUN_DIRECTORY}/${TRUST_FILES.bundle}`;
const JAVA_TRUST = [
  `-Djavax.net.ssl.trustStore=${RUN_DIRECTORY}/${TRUST_FILES.java}`,
  '-Djavax.net.ssl.trustStoreType=JKS',
  `-Djavax.net.ssl.trustStorePassword=${TRUST_STORE_PASSWORD}`,
];
/** OpenSSL, Go and Rust take the first; the others are tools that look elsewhere. */
const TRUST: Readonly<Record<string, string>> = {
  SSL_CERT_FILE: BUNDLE,
  NODE_EXTRA_CA_CERTS: `${RUN_DIRECTORY}/${TRUST_FILES.authority}`,
  REQUESTS_CA_BUNDLE: BUNDLE,
  CURL_CA_BUNDLE: BUNDLE,
  GIT_SSL_CAINFO: BUNDLE,
  PIP_CERT: BUNDLE,
  npm_config_cafile: BUNDLE,
  CARGO_HTTP_CAINFO: BUNDLE,
  AWS_CA_BUNDLE: BUNDLE,
  DENO_CERT: BUNDLE,
};
