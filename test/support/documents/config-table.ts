// The README's configuration table: keys and comments from the source of the schema, values and defaults from the schema itself.

import ts from 'typescript';
import { z } from 'zod';

interface Key {
  /** Names from the top. */
  readonly path: readonly string[];
  readonly description: string;
}

/** Keys of `export const Config = z.strictObject({...})`, nested literals opened up, with their doc comments; `sections` are the
 * sources of schemas that it names and that live elsewhere. */
export function documentedKeys(source: string, sections: readonly string[] = []): Key[] {
  const schemas = new Map([source, ...sections].flatMap(schemasIn));
  const config = schemas.get('Config');
  return config === undefined ? [] : keysOf(config, [], schemas);
}

function schemasIn(source: string): [string, ts.Expression][] {
  const file = ts.createSourceFile('config.ts', source, ts.ScriptTarget.ES2023, true);
  return file.statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => [...declarationList.declarations])
    .flatMap(({ name, initializer }) => (ts.isIdentifier(name) && initializer !== undefined ? [[name.text, initializer]] : []));
}

function keysOf(schema: ts.Expression, path: readonly string[], schemas: ReadonlyMap<string, ts.Expression>): Key[] {
  return (shapeLiteral(schema)?.properties ?? []).flatMap((property) => {
    if (!ts.isPropertyAssignment(property)) return [];
    const inner = [...path, property.name.getText()];
    const description = commentOf(property);
    // What has a comment is explained as a whole.
    const named = description === '' ? schemas.get(rootOf(property.initializer)) : undefined;
    const nested = keysOf(named ?? property.initializer, inner, schemas);
    return nested.length > 0 ? nested : [{ path: inner, description }];
  });
}

/** The name that a chain of calls begins with. */
function rootOf(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return expression.text;
  return ts.isCallExpression(expression) || ts.isPropertyAccessExpression(expression) ? rootOf(expression.expression) : '';
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
export function configTable(source: string, schema: z.ZodType, sections: readonly string[] = []): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const defaults: unknown = schema.parse({});
  const rows = documentedKeys(source, sections).map(({ path, description }) => {
    if (description === '') throw new Error(`Cannot document ${path.join('.')}: it has no comment in the schema`);
    return `| \`${path.join('.')}\` | ${valuesOf(at(json, path))} | ${defaultAt(defaults, path)} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}
