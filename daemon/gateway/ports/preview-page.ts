// What a visitor sees when a preview can't be shown: a page for people, JSON for programs. Pure.

import type { SandboxError } from '../../../client/protocol/errors.ts';

export interface PreviewProblem {
  readonly status: number;
  readonly error: SandboxError;
}

export interface ProblemAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function problemAnswer({ status, error }: PreviewProblem, accept: string | undefined): ProblemAnswer {
  const isPage = (accept ?? '').includes('text/html');
  const body = isPage ? page(status, error) : `${JSON.stringify({ code: error.code, message: error.message, hint: error.hint })}\n`;
  return {
    headers: {
      'Content-Type': isPage ? 'text/html; charset=utf-8' : 'application/json',
      'Content-Length': String(Buffer.byteLength(body)),
      'Cache-Control': 'no-store',
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      ...(status === 503 ? { 'Retry-After': '1' } : {}),
    },
    body,
  };
}

const page = (status: number, error: SandboxError): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${status} Cloister preview</title></head>
<body><h1>This preview can't be shown</h1><p>${escapeHtml(error.message)}.</p><p>${escapeHtml(error.hint)}</p><p><small>${status} ${error.code}</small></p></body></html>
`;

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
