// A script for the model of an agent: calls of tools, one after the other.

export type Call = readonly [tool: string, args: Record<string, unknown>];

/** What a model is told, as text. */
export const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
