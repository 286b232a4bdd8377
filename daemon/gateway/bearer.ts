// The token of an Authorization header.

/** Empty: none was sent. */
export function bearerOf(header: string | undefined): string {
  return /^Bearer ([A-Za-z0-9._~+/=-]{1,4096})$/i.exec(header ?? '')?.[1] ?? '';
}
