// Says what is wrong with foreign input in one line.

import type { ZodError } from 'zod';

const MAX_ISSUES = 5;

export function refusalText(error: ZodError): string {
  const issues = error.issues.slice(0, MAX_ISSUES).map((issue) => `${issue.path.map(String).join('.') || 'request'}: ${issue.message}`);
  const more = error.issues.length - issues.length;
  return issues.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
