// What a judgement says, with the sentence an agent can act on. Data and wording; decides nothing.

export interface Verdict {
  /** `ask`: whoever controls the session decides. */
  readonly verdict: 'allow' | 'deny' | 'ask';
  /** Stable, for programs. */
  readonly reason: Reason;
  /** The rule that decided: `builtin:...`, `operator:...`, `policy.allow:...`, `mode:...`. */
  readonly rule: string;
  /** What can be done, on denials. */
  readonly remedy?: string;
}

const NO_RETRY = 'Trying again, another spelling or an address instead of the name changes nothing.';

const REMEDIES = {
  allowed: '',
  unparseable: 'Write a plain http:// URL, or CONNECT HOST:PORT, with a full host name in ASCII.',
  badRequest: 'Send a plain HTTP/1.1 request as the standard says it.',
  egressOff: `This sandbox has no way out. ${NO_RETRY} Do without the network, or ask for a session with egress.`,
  nameBlocked: `Names of this kind are never reachable from a sandbox. ${NO_RETRY}`,
  operatorBlocked: `The operator blocks this. ${NO_RETRY}`,
  policyDenied: `The session's egress.deny or a rule of the operator names it. ${NO_RETRY}`,
  notAllowed: `Do without it, or ask whoever runs this session to add it to egress.allow. ${NO_RETRY}`,
  portNotAllowed: `Use port 443 (or 80 for plain http), or ask whoever runs this session to add HOST:PORT to egress.allow. ${NO_RETRY}`,
  requestNotAllowed: `The policy lets through only some methods or paths of this host. ${NO_RETRY} Ask whoever runs this session for this request.`,
  requestAmbiguous:
    'The request can be read in more than one way. Send a plain path without encoded slashes, dots and per cent signs, and no method override.',
  secretMisdirected:
    'A placeholder of a secret goes to the hosts of that secret over https and to nobody else. Take it out of this request; the attempt was reported.',
  secretUnusable: 'The value of this secret has bytes that no header field may have.',
  notResolved: 'The name has no usable address. Check its spelling.',
  tooManyAnswers: 'The name has more addresses or aliases than are followed.',
  addressBlocked: `It is an address of, or a name that leads to, a network that is not the public internet. ${NO_RETRY}`,
  confirmationMissing: `Reaching it needs a confirmation that nobody gives here. ${NO_RETRY}`,
  confirmationDenied: `A confirmation was asked for and refused. ${NO_RETRY}`,
  confirmationTimedOut: 'A confirmation was asked for and did not come in time.',
  confirmed: '',
  notTls: 'Port 443 carries TLS only. Use http:// for plain HTTP, or ask for HOST:PORT in egress.allow for another protocol.',
  nameMismatch: 'The TLS server name must be the host of the CONNECT request.',
  policyChanged: "The session's egress policy changed and no longer allows this.",
  limitReached: 'Use fewer connections at once, or wait.',
  bytesExhausted: 'The sandbox has used up the bytes it may send or receive.',
  unreachable: 'The host is allowed but did not answer.',
  interrupted: 'The proxy was started again while this went on. Try again.',
  notTrusted:
    'The TLS of this host is opened by the proxy, and the tool did not accept its certificate. Let it use the file in SSL_CERT_FILE, and HTTP/1.1.',
  untrustedServer: "The host's certificate does not hold: it has expired, names another host, or nobody known has signed it.",
  upgradeRefused: 'Only WebSocket upgrades are passed on; use HTTP/1.1.',
} as const;
export type Reason = keyof typeof REMEDIES;

export const remedyOf = (reason: Reason): string => REMEDIES[reason];

export const isReason = (text: string): text is Reason => Object.hasOwn(REMEDIES, text);

export const allow = (rule: string, reason: Reason = 'allowed'): Verdict => ({ verdict: 'allow', reason, rule });

export const deny = (reason: Reason, rule: string): Verdict => ({ verdict: 'deny', reason, rule, remedy: REMEDIES[reason] });
