// Whatever is done to a workspace, in whatever order: the file worker and a model that is a page long agree on every answer and on what
// is there in the end. Needs root (to become another uid) and a C compiler; no engine.

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxFiles } from '../../daemon/files/sandbox-files.ts';
import { ModelFiles } from '../support/model-files.ts';
import { buildWorker } from '../support/worker-build.ts';
import { collect, WorkerFiles } from '../support/worker-files.ts';

const UID = 200_001;
const RUNS = 60;
const base = fs.mkdtempSync(join(tmpdir(), 'file-model-'));
const root = join(base, 'workspace');
let program: string;

beforeAll(() => {
  fs.chmodSync(base, 0o755);
  program = buildWorker(base);
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const text = fc.string({ maxLength: 8 });
const step = fc.oneof(
  fc.record({ verb: fc.constant('write' as const), path, text }),
  fc.record({ verb: fc.constant('append' as const), path, text }),
  fc.record({ verb: fc.constant('create' as const), path, text }),
  fc.record({ verb: fc.constant('mkdir' as const), path, flag: fc.boolean() }),
  fc.record({ verb: fc.constant('remove' as const), path, flag: fc.boolean() }),
  fc.record({ verb: fc.constant('move' as const), path, to: path, flag: fc.boolean() }),
  fc.record({ verb: fc.constant('copy' as const), path, to: path, flag: fc.boolean() }),
  fc.record({ verb: fc.constant('read' as const), path }),
  fc.record({ verb: fc.constant('list' as const), path }),
  fc.record({ verb: fc.constant('exists' as const), path }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function perform(files: SandboxFiles, act: Step): Promise<unknown> {
  switch (act.verb) {
    case 'write':
      return (await files.write(act.path, Buffer.from(act.text))).size;
    case 'append':
      return (await files.write(act.path, Buffer.from(act.text), { append: true })).size;
    case 'create':
      return (await files.write(act.path, Buffer.from(act.text), { exclusive: true })).size;
    case 'mkdir':
      return await files.mkdir(act.path, { parents: act.flag });
    case 'remove':
      return await files.remove(act.path, { recursive: act.flag });
    case 'move':
      return await files.move(act.path, act.to, { overwrite: act.flag });
    case 'copy':
      return await files.copy(act.path, act.to, { recursive: true, overwrite: act.flag });
    case 'read':
      return Buffer.from(await files.readAll(act.path)).toString();
    case 'list':
      return (await files.list(act.path, { recursive: true })).entries.map((entry) => entry.path);
    case 'exists':
      return await files.exists(act.path);
  }
}

const answer = async (call: () => unknown): Promise<unknown> => {
  try {
    return (await call()) ?? 'done';
  } catch (error) {
    if (!SandboxError.is(error)) throw error;
    return error.code;
  }
};

test('random sequences of operations end as the model says, answer by answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      fs.rmSync(root, { recursive: true, force: true });
      fs.mkdirSync(root);
      fs.chownSync(root, UID, UID);
      await using worker = new WorkerFiles({ program, root, uid: UID });
      const model = new ModelFiles();
      for (const act of steps)
        expect(await answer(() => perform(worker.files, act)), JSON.stringify(act)).toEqual(await answer(() => model.perform(act)));
      const { found } = await collect(worker.files.search.list('.', { recursive: true }));
      const content = await Promise.all(
        found.map(async ({ path: name, kind }) => [
          name,
          kind === 'file' ? Buffer.from(await worker.files.readAll(name)).toString() : null,
        ]),
      );
      expect(content).toEqual(model.content());
    }),
    { numRuns: RUNS },
  );
}, 120_000);

test('random expressions over random lines match as JavaScript says', async () => {
  fs.rmSync(root, { recursive: true, force: true });
  fs.mkdirSync(root);
  await using worker = new WorkerFiles({ program, root, uid: UID });
  const atom = fc.constantFrom(
    'a',
    'b',
    'B',
    '.',
    '[ab]',
    '[^a]',
    '\\b',
    '\\B',
    '^',
    '$',
    '\\w',
    '\\W',
    '\\s',
    'ab',
    '\u00e9',
    '[a-\u00ff]',
    '-',
  );
  const repeated = fc
    .tuple(fc.constantFrom('a', '.', '[ab]', '(ab|b)', '(a|)', '\u00e9'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?'))
    .map(([a, b]) => a + b);
  const pattern = fc
    .array(
      fc.oneof(
        atom,
        repeated,
        fc.tuple(atom, repeated).map(([a, b]) => `(${a}|${b})`),
      ),
      { minLength: 1, maxLength: 5 },
    )
    .map((parts) => parts.join(''));
  const line = fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'A', '-', ' ', '\u00e9', '\u00c9', '\ud83d\ude00'), maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(pattern, fc.array(line, { minLength: 1, maxLength: 20 }), fc.boolean(), async (source, lines, ignoreCase) => {
      fs.writeFileSync(join(root, 'f'), `${lines.join('\n')}\n`);
      const { found } = await collect(worker.files.search.grep({ path: 'f', pattern: source, ignoreCase }));
      // Word characters are ASCII there, as they are here. V8 lets \B match between the halves of a surrogate pair, against its
      // specification; so it sees another character that is no letter.
      const expression = new RegExp(source, ignoreCase ? 'ui' : 'u');
      const matches = (text: string): boolean => expression.test(text.replaceAll('\u{1f600}', '\u263a'));
      expect(found.map((entry) => entry.line)).toEqual(lines.flatMap((text, index) => (matches(text) ? [index + 1] : [])));
    }),
    { numRuns: 400, examples: [['(\\B|(ab|b){1,3})', ['a\u00e9a', ''], false]] },
  );
  expect(worker.violations).toEqual([]);
}, 120_000);
