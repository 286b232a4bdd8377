// The wire protocol as a client in another language wants it: JSON Schema of every message, and the tables of docs/protocol.md.

import { z } from 'zod';
import {
  ConfirmRequest,
  ERROR_TABLE,
  EventEnvelope,
  FileEntry,
  GrepLine,
  INITIAL_WINDOW,
  MAX_MESSAGE_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_START_BYTES,
  OPERATIONS,
  PROTOCOL_VERSION,
  RequestEnvelope,
  ResponseEnvelope,
  SUBPROTOCOL,
  WatchEvent,
} from '../../../client/protocol/index.ts';
import { withPart } from './marked-part.ts';

const OPERATION_TABLE = { begin: '<!-- operations: written by npm run docs -->', end: '<!-- end of operations -->' };
const ERRORS = { begin: '<!-- errors: written by npm run docs -->', end: '<!-- end of errors -->' };
const BOUNDS = { begin: '<!-- bounds: written by npm run docs -->', end: '<!-- end of bounds -->' };

/** As it travels: `input` what a client may write, defaults left out; `output` what the daemon sends. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): unknown {
  const { $schema: _once, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
  return rest;
}

export function renderProtocolSchema(): string {
  const operations = Object.fromEntries(
    Object.entries(OPERATIONS).map(([name, { params, result }]) => [
      name,
      { params: schemaOf(params, 'input'), result: schemaOf(result, 'output') },
    ]),
  );
  const document = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `Cloister wire protocol ${SUBPROTOCOL}`,
    description:
      'Written by npm run docs from the schemas in client/protocol. operations.NAME.params is what a request carries, ' +
      'operations.NAME.result what its answer carries; messages are the envelopes; lines are the JSON lines inside of data frames.',
    protocol: PROTOCOL_VERSION,
    messages: {
      request: schemaOf(RequestEnvelope, 'input'),
      response: schemaOf(ResponseEnvelope, 'output'),
      event: schemaOf(EventEnvelope, 'output'),
    },
    lines: {
      'files.list': schemaOf(FileEntry, 'output'),
      'files.glob': schemaOf(FileEntry, 'output'),
      'files.grep': schemaOf(GrepLine, 'output'),
      'files.watch': schemaOf(WatchEvent, 'output'),
    },
    confirmRequest: schemaOf(ConfirmRequest, 'output'),
    errors: ERROR_TABLE,
    operations,
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

export function renderProtocolText(text: string): string {
  const withOperations = withPart(text, OPERATION_TABLE, operationTable());
  const withErrors = withPart(withOperations, ERRORS, errorTable());
  return withPart(withErrors, BOUNDS, boundsTable());
}

function operationTable(): string {
  const rows = Object.entries(OPERATIONS).map(
    ([name, { params, result }]) => `| \`${name}\` | ${keysOf(params, 'input')} | ${keysOf(result, 'output')} |`,
  );
  return ['| operation | params | result |', '|---|---|---|', ...rows].join('\n');
}

/** Names of the fields; a question mark after those that may be left out. */
function keysOf(schema: z.ZodType, io: 'input' | 'output'): string {
  const { properties, required, oneOf, anyOf } = Shape.parse(z.toJSONSchema(schema, { io }));
  const variants = oneOf ?? anyOf;
  if (variants !== undefined) return variants.map((variant) => fields(Shape.parse(variant))).join(' or ');
  return fields({ properties, required });
}

const fields = ({ properties, required = [] }: Pick<z.infer<typeof Shape>, 'properties' | 'required'>): string =>
  Object.keys(properties ?? {})
    .map((name) => `\`${name}\`${required.includes(name) ? '' : '?'}`)
    .join(', ') || '-';

const Shape = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
});

function errorTable(): string {
  const rows = Object.entries(ERROR_TABLE).map(
    ([code, { httpStatus, retry, hint }]) => `| \`${code}\` | ${httpStatus} | ${retry} | ${hint} |`,
  );
  return ['| code | HTTP | retry | what to do |', '|---|---|---|---|', ...rows].join('\n');
}

function boundsTable(): string {
  const rows: readonly (readonly [string, number])[] = [
    ['Bytes of a message', MAX_MESSAGE_BYTES],
    ['Bytes of payload in a binary frame', MAX_PAYLOAD_BYTES],
    ['Bytes that may be sent on a new stream before the first CREDIT', INITIAL_WINDOW],
    ['Bytes of arguments and environment of a command', MAX_START_BYTES],
  ];
  return ['| what | at most |', '|---|---|', ...rows.map(([what, most]) => `| ${what} | ${most.toLocaleString('en-US')} |`)].join('\n');
}
