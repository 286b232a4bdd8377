// Lists of rules that go by a name. `profile` is the one that fits a profile: nothing but what its mounts and its network
// allow anyway, so that it changes nothing about a sandbox.

import { z } from 'zod';
import { PermissionRule } from '../../client/protocol/permissions.ts';
import { READING_TOOLS } from './tools.ts';

export const PRESET_NAMES = ['readonly', 'workspace-write', 'full', 'batch'] as const;
type PresetName = (typeof PRESET_NAMES)[number];

const allow = (tool: string): PermissionRule => ({ tool, action: 'allow' });

const PRESETS: Readonly<Record<PresetName, readonly PermissionRule[]>> = {
  readonly: [
    ...READING_TOOLS.map(allow),
    { tool: 'files.*', action: 'deny', reason: 'the preset readonly lets files be read only' },
    { tool: 'workspace.*', action: 'deny', reason: 'the preset readonly lets workspaces be looked at only' },
    ...['exec', 'shell', 'ports.*', 'egress', 'secrets.*'].map(allow),
  ],
  'workspace-write': ['files.*', 'workspace.*', 'exec', 'shell', 'ports.*', 'egress', 'secrets.*'].map(allow),
  full: [allow('*')],
  batch: [{ tool: '*', action: 'deny', reason: 'nobody is asked in batch, and no rule allows it' }],
};

/** An entry of a configured list: a rule, or a preset in its place. */
export const RuleOrPreset = z.union([PermissionRule, z.strictObject({ preset: z.enum(['profile', ...PRESET_NAMES]) })]);
export type RuleOrPreset = z.infer<typeof RuleOrPreset>;

export const RuleList = z.array(RuleOrPreset).max(500);

export const DEFAULT_RULES: readonly RuleOrPreset[] = [{ preset: 'profile' }];

export interface IdentifiedRule extends PermissionRule {
  readonly id: string;
}

/** `source` names the list, as in `permissions.rules`. */
export function expandRules(list: readonly RuleOrPreset[], source: string, profile: { readonly workspace: 'ro' | 'rw' }): IdentifiedRule[] {
  return list.flatMap((entry, at) => {
    if (!('preset' in entry)) return [{ ...entry, id: `${source}[${at}]` }];
    const name = entry.preset === 'profile' ? (profile.workspace === 'ro' ? 'readonly' : 'workspace-write') : entry.preset;
    return PRESETS[name].map((rule, index) => ({ ...rule, id: `preset:${name}[${index}]` }));
  });
}
