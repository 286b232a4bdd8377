// The README's configuration table: keys and comments from the source of the schema, values and defaults from the schema itself.

import ts from 'typescript';
import { z } from 'zod';

interface Key {
  /** Names from the top. */
  readonly path: readonly string[];
  readonly description: string;
}

/** Keys of `export const Config = z.strictObject({...})`, nested literals opened up, with their doc comments. */
export function documentedKeys(source: string): Key[] {
  const file = ts.createSourceFile('config.ts', source, ts.ScriptTarget.ES2023, true);
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const declaration = statement.declarationList.declarations.find(({ name }) => ts.isIdentifier(name) && name.text === 'Config');
    if (declaration?.initializer !== undefined) return keysOf(declaration.initializer, []);
  }
  return [];
}

function keysOf(schema: ts.Expression, path: readonly string[]): Key[] {
  return (shapeLiteral(schema)?.properties ?? []).flatMap((property) => {
    if (!ts.isPropertyAssignment(property)) return [];
    const inner = [...path, property.name.getText()];
    const nested = keysOf(property.initializer, inner);
    return nested.length > 0 ? nested : [{ path: inner, description: commentOf(property) }];
  });
}

/** The object literal of `z.strictObject({...})`, whatever is chained to it. */
function shapeLiteral(expression: ts.Expression): ts.ObjectLiteralExpression | undefined {
  if (!ts.isCallExpression(expression) || !ts.isPropertyAccessExpression(expression.expression)) return undefined;
  const { name, expression: receiver } = expression.expression;
  const [argument] = expression.arguments;
  if (name.text === 'strictObject' && argument !== undefined && ts.isObjectLiteralExpression(argument)) return argument;
  return shapeLiteral(receiver);
}

function commentOf(property: ts.PropertyAssignment): string {
  const comments = ts.getJSDocCommentsAndTags(property).filter(ts.isJSDoc);
  return comments
    .map((comment) => ts.getTextOfJSDocComment(comment.comment) ?? '')
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** What the JSON schema says about a value, in a few words. */
function valuesOf(schema: unknown): string {
  const { enum: choices, type, minimum, maximum, anyOf } = JsonSchema.parse(schema);
  if (choices !== undefined) return choices.map((choice) => `\`${String(choice)}\``).join(', ');
  if (anyOf !== undefined) return anyOf.map(valuesOf).join(' or ');
  const bounds = [
    minimum === undefined ? '' : `from ${minimum}`,
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : `to ${maximum}`,
  ];
  return [type ?? 'value', ...bounds].filter((part) => part !== '').join(' ');
}

const JsonSchema = z.looseObject({
  type: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});

function at(schema: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => JsonSchema.parse(inner).properties?.[name] ?? {}, schema);
}

function defaultAt(defaults: unknown, path: readonly string[]): string {
  const value = path.reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], defaults);
  if (value === undefined || JSON.stringify(value) === '{}') return '';
  return `\`${JSON.stringify(value)}\``;
}

/** Throws when a key has no comment: a key that nobody explains is not documented by its name. */
export function configTable(source: string, schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const defaults: unknown = schema.parse({});
  const rows = documentedKeys(source).map(({ path, description }) => {
    if (description === '') throw new Error(`Cannot document ${path.join('.')}: it has no comment in the schema`);
    return `| \`${path.join('.')}\` | ${valuesOf(at(json, path))} | ${defaultAt(defaults, path)} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}
