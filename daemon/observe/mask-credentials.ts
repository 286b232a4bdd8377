// Well-known forms of credentials in the daemon's own writing: its log and the audit log. For what nobody told it is a secret;
// values of a session's secrets are daemon/secrets'. Pure. No form crosses a quote, so masked JSON stays JSON.

interface Form {
  readonly name: string;
  readonly pattern: RegExp;
}

const FORMS: readonly Form[] = [
  { name: 'privateKey', pattern: /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----[^"]{0,16384}?-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----/g },
  { name: 'jwt', pattern: /\beyJ[A-Za-z0-9_-]{10,4096}\.eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,4096}/g },
  { name: 'gitToken', pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,255})/g },
  { name: 'packageToken', pattern: /\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,255})/g },
  { name: 'cloudKey', pattern: /\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[0-9A-Za-z_-]{35})\b/g },
  { name: 'apiKey', pattern: /\b(?:sk-[A-Za-z0-9_-]{20,255}|[rs]k_(?:live|test)_[0-9A-Za-z]{16,255})/g },
  { name: 'chatToken', pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{10,255}/g },
  { name: 'bearer', pattern: /(?<=\b[Bb]earer )[A-Za-z0-9._~+/-]{16,4096}=*/g },
  { name: 'urlPassword', pattern: /(?<=:\/\/[^\s/:@"\\]{1,64}:)[^\s/@"\\]{3,256}(?=@)/g },
];
/** In no text without one of these is a form; most texts end here. */
const HINT =
  /PRIVATE KEY-----|\beyJ|\bgh[pousr]_|\bgithub_pat_|\bglpat-|\bnpm_|\bpypi-|\bAKIA|\bASIA|\bAIza|\bsk-|\b[rs]k_|\bxox[abeoprs]-|\b[Bb]earer |:\/\/[^\s/:@"\\]{1,64}:/;

export function maskCredentials(text: string): string {
  if (!HINT.test(text)) return text;
  return FORMS.reduce((masked, { name, pattern }) => masked.replaceAll(pattern, `[redacted:${name}]`), text);
}
