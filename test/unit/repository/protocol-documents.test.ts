// The documents of the protocol are what the schemas say, and the schemas say what the daemon takes.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { OPERATIONS } from '../../../client/protocol/index.ts';
import { renderProtocolSchema, renderProtocolText } from '../../support/documents/protocol.ts';
import { conversation } from '../../support/conversation.ts';

const read = (path: string): string => readFileSync(path, 'utf8');
const Sent = z.looseObject({ op: z.enum(Object.keys(OPERATIONS) as [keyof typeof OPERATIONS]), params: z.unknown() });

describe('docs/protocol', () => {
  test('has the schemas and tables as they are (npm run docs writes them)', () => {
    expect(read('docs/protocol.schema.json')).toBe(renderProtocolSchema());
    const text = read('docs/protocol.md');
    expect(renderProtocolText(text)).toBe(text);
  });

  test('has every operation with params and result', () => {
    const { operations } = JSON.parse(read('docs/protocol.schema.json')) as { operations: Record<string, Record<string, unknown>> };
    expect(Object.keys(operations)).toEqual(Object.keys(OPERATIONS));
    for (const { params, result } of Object.values(operations)) expect([typeof params, typeof result]).toEqual(['object', 'object']);
  });

  test('has a conversation that uses no operation that does not exist, and every kind of step', () => {
    const steps = conversation();
    for (const step of steps) if ('text' in step && typeof step.text === 'object') expect(Sent.safeParse(step.text).success).toBe(true);
    const kinds = new Set(steps.flatMap((step) => Object.keys(step)));
    expect([...kinds].toSorted()).toEqual(
      ['answer', 'bytes', 'closed', 'connect', 'disconnect', 'event', 'frame', 'lines', 'note', 'text'].toSorted(),
    );
  });
});
