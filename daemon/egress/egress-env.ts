// What a command's environment says of the way out, so that ordinary tools take it. Pure.

const PROXY = '127.0.0.1:3128';
const NOT_PROXIED = 'localhost,127.0.0.1,::1';
const CONNECT_PROGRAM = '/run/cloister-init';

/** The user name names the command to the egress process; the password says nothing. */
export function egressEnv(execId: string): Record<string, string> {
  const url = `http://${execId}:x@${PROXY}`;
  const [host = '', port = ''] = PROXY.split(':');
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
    GIT_SSH_COMMAND: `ssh -o ProxyCommand='${CONNECT_PROGRAM} connect %h %p'`,
    JAVA_TOOL_OPTIONS: `-Dhttp.proxyHost=${host} -Dhttp.proxyPort=${port} -Dhttps.proxyHost=${host} -Dhttps.proxyPort=${port}`,
  };
}
