// The permission engine: a call and a policy in, a verdict with its rule and reason out. Pure; whoever carries it out asks
// people and keeps the record. The operator's rules and the session's are judged apart, and the stricter verdict holds.

import type { PermissionAction, PermissionDecision } from '../../client/protocol/permissions.ts';
import type { Match } from './arg-pattern.ts';
import type { GrantedPermissions } from './permission-policy.ts';
import { allOf, type CompiledRule, compileRule, matchesTool, matchRequest } from './rule-match.ts';
import type { Line, SimpleCommand } from './shell/line.ts';
import { UNKNOWN } from './shell/markers.ts';
import { shownCommand } from './shell/simple-command.ts';
import type { PermissionRequest } from './tools.ts';

export interface Decision extends PermissionDecision {
  /** What it is about, one line. */
  readonly about: string;
  /** It can't be asked for once and for all: what it will be is only known when it runs. */
  readonly isComputed: boolean;
}

const SEVERITY: Readonly<Record<PermissionAction, number>> = { allow: 0, ask: 1, deny: 2 };
export const FALLBACK_RULE = 'requiresConfirmation';
const UNMATCHED = 'unmatched';

interface Layer {
  readonly byTool: Map<string, readonly CompiledRule[]>;
  readonly rules: readonly CompiledRule[];
  readonly fallback: 'ask' | 'allow';
}

export interface CompiledPermissions {
  readonly granted: GrantedPermissions;
  readonly layers: readonly Layer[];
  /** What was said of a line before; lines do not change. */
  readonly decided: WeakMap<Line, Decision>;
}

const MAX_TOOLS = 64;

export function compilePermissions(granted: GrantedPermissions): CompiledPermissions {
  const layer = (rules: GrantedPermissions['rules'], fallback: 'ask' | 'allow'): Layer => ({
    byTool: new Map(),
    rules: rules.map(compileRule),
    fallback,
  });
  return {
    granted,
    decided: new WeakMap(),
    layers: [layer(granted.rules, 'ask'), ...(granted.sessionRules.length === 0 ? [] : [layer(granted.sessionRules, 'allow')])],
  };
}

export function decide(request: PermissionRequest, { granted, layers }: CompiledPermissions): Decision {
  const about = `${request.tool}${Object.values(request.args)
    .map((value) => ` ${value}`)
    .join('')}`;
  const isReadable = request.isReadable !== false;
  let worst: Decision | null = null;
  for (const layer of layers) {
    const match = isReadable ? (rule: CompiledRule): Match => matchRequest(rule, request) : unreadable;
    worst = stricter(worst, judge(layer, request.tool, match, about, false));
  }
  return settle(worst, granted, about);
}

/** Every simple command of a line, and the floor. */
export function decideLine(line: Line, permissions: CompiledPermissions): Decision {
  const known = permissions.decided.get(line);
  if (known !== undefined) return known;
  const decision = judgeLine(line, permissions);
  permissions.decided.set(line, decision);
  return decision;
}

function judgeLine(line: Line, { granted, layers }: CompiledPermissions): Decision {
  const about = line.commands.slice(0, 3).map(shownCommand).join('; ') || 'nothing';
  const floor = granted.hardFloor ? line.findings : [];
  const hit = floor.find(({ verdict }) => verdict === 'hit');
  if (hit !== undefined) {
    return {
      verdict: 'deny',
      rule: `floor.${hit.class}`,
      reason: `the floor refuses it whatever the rules say: ${hit.what}`,
      remedy: 'Name what is meant more narrowly, for example the one directory to be deleted.',
      about,
      isComputed: false,
    };
  }
  let worst: Decision | null = null;
  const unclear = floor[0];
  if (unclear !== undefined) {
    worst = {
      verdict: 'ask',
      rule: `floor.${unclear.class}`,
      reason: `what it does is only known when it runs: ${unclear.what}`,
      remedy: 'Write out what is to be run or deleted, or put the script into a file and run that.',
      about,
      isComputed: true,
    };
  }
  for (const layer of layers) {
    for (const command of line.commands) {
      if (worst?.verdict === 'deny') break;
      worst = stricter(worst, judgeCommand(layer, command));
    }
    if (line.unparseable !== null) {
      const found = judge(layer, 'exec', unreadable, about, true);
      worst = stricter(worst, { ...found, reason: `it can't be read: ${line.unparseable}`, remedy: 'Check its quoting and its syntax.' });
    }
  }
  return settle(worst, granted, about);
}

/** An unreadable call matches every deny and no allow. */
const unreadable = ({ rule }: CompiledRule): Match => (rule.action === 'deny' ? 'yes' : 'no');

function judgeCommand(layer: Layer, command: SimpleCommand): Decision {
  const { words, text, program, isNamed, cwd, isComputed, isTampered, isTransparent, isFed } = command;
  const [first = ''] = words;
  const asNamed = first === program ? text : `${program}${text.slice(first.length)}`;
  const match = (compiled: CompiledRule): Match => {
    if (compiled.rule.domain !== undefined) return 'no';
    // What a wrapper runs is judged beside it: only rules that name the wrapper itself count.
    if (compiled.args.length === 0) return isTransparent ? 'no' : 'yes';
    const isAllow = compiled.rule.action === 'allow';
    // A name proves nothing where the line changes how names are found.
    if (isAllow && isTampered) return 'no';
    const asWritten = allOf(compiled.args, (name) =>
      name === 'command' ? text : name === 'program' ? first : name === 'cwd' ? (cwd ?? UNKNOWN) : undefined,
    );
    if (asWritten === 'yes' || (isAllow && !isNamed)) return asWritten;
    const byName = allOf(compiled.args, (name) =>
      name === 'command' ? asNamed : name === 'program' ? program : name === 'cwd' ? (cwd ?? UNKNOWN) : undefined,
    );
    return byName === 'no' ? asWritten : byName;
  };
  return judge(layer, isFed ? 'shell' : 'exec', match, command, isComputed, isTransparent);
}

function judge(
  layer: Layer,
  tool: string,
  match: (rule: CompiledRule) => Match,
  what: string | SimpleCommand,
  isComputed: boolean,
  isTransparent = false,
): Decision {
  const about = typeof what === 'string' ? what : shownCommand(what);
  let pending: Decision | null = null;
  for (const compiled of rulesFor(layer, tool)) {
    const matched = match(compiled);
    if (matched === 'no') continue;
    const { rule } = compiled;
    const found: Decision = {
      verdict: rule.action,
      rule: rule.id,
      reason: rule.reason ?? `${rule.id} says ${rule.action} to ${about}`,
      about,
      isComputed,
    };
    if (matched === 'yes') return stricter(pending, found);
    // Only the run would show whether it matches: an allow is not taken on trust, a denial at least asks.
    if (rule.action !== 'allow')
      pending ??= { ...found, verdict: 'ask', reason: `it may be what ${rule.id} speaks of: ${about}`, isComputed: true };
  }
  if (pending !== null) return pending;
  if (layer.fallback === 'allow' || isTransparent)
    return { verdict: 'allow', rule: UNMATCHED, reason: 'no rule speaks of it', about, isComputed };
  return { verdict: 'ask', rule: FALLBACK_RULE, reason: `no rule speaks of it: ${about}`, about, isComputed };
}

function rulesFor(layer: Layer, tool: string): readonly CompiledRule[] {
  const known = layer.byTool.get(tool);
  if (known !== undefined) return known;
  const rules = layer.rules.filter(({ rule }) => matchesTool(rule.tool, tool));
  if (layer.byTool.size < MAX_TOOLS) layer.byTool.set(tool, rules);
  return rules;
}

export function stricter(a: Decision | null, b: Decision): Decision {
  if (a === null || SEVERITY[b.verdict] > SEVERITY[a.verdict]) return b;
  // Of two that say the same, the one that has a rule for it.
  return a.verdict === b.verdict && a.rule === UNMATCHED ? b : a;
}

function settle(decision: Decision | null, { mode }: GrantedPermissions, about: string): Decision {
  const found = decision ?? { verdict: 'allow', rule: UNMATCHED, reason: 'it runs nothing', about, isComputed: false };
  if (found.verdict !== 'ask' || mode !== 'batch') return found;
  return { ...found, verdict: 'deny', reason: `nobody is asked in batch mode: ${found.reason}` };
}
