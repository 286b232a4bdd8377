// Which requests may be sent a second time when the answer to the first was lost with its connection. Pure.

import type { Operation, Params } from './protocol/index.ts';

type Rule<O extends Operation> = boolean | ((params: Params<O>) => boolean);

/** True: doing it twice ends as doing it once. Signals are delivered at least once. */
const RULES: { readonly [O in Operation]: Rule<O> } = {
  hello: false,
  open: true,
  close: true,
  list: true,
  extend: true,
  pause: true,
  resume: true,
  'exec.start': true,
  'exec.attach': true,
  'exec.kill': true,
  'exec.resize': true,
  'exec.list': true,
  'files.read': true,
  'files.write': ({ append, exclusive, ifMatch }) => append !== true && exclusive !== true && ifMatch === undefined,
  'files.list': true,
  'files.glob': true,
  'files.grep': true,
  'files.watch': false,
  'files.stat': true,
  'files.mkdir': ({ parents }) => parents !== false,
  'files.remove': ({ force }) => force === true,
  'files.move': false,
  'files.copy': ({ overwrite }) => overwrite === true,
  'files.chmod': true,
  'files.readlink': true,
  'files.symlink': false,
  'files.view': true,
  'files.edit': false,
  'files.insert': false,
  'files.patch': false,
  'files.undoEdit': false,
  'confirm.answer': true,
  'confirm.list': true,
  'permissions.get': true,
  'permissions.explain': true,
  'config.get': true,
  'config.reload': true,
  'config.revert': false,
  'egress.set': true,
  'egress.explain': true,
  'egress.proposal': true,
  'policy.explain': true,
  'ports.url': true,
  'secrets.set': true,
  report: false,
  'workspace.usage': true,
  'workspace.snapshot': false,
  'workspace.snapshots': true,
  'workspace.deleteSnapshot': false,
  'workspace.restore': true,
  'workspace.fork': false,
  'workspace.diff': true,
  'workspace.undo': true,
  'files.upload': true,
  'files.download': true,
  'image.add': false,
  'image.list': true,
  'image.remove': false,
};

export function isRepeatable<O extends Operation>(op: O, params: Params<O>): boolean {
  const rule: Rule<O> = RULES[op];
  return typeof rule === 'function' ? rule(params) : rule;
}
