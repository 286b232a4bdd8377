// What E2B's clients may call a file.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baseName, HOME, shownPath, workspaceNameOf } from '../../../daemon/compat/sandbox-path.ts';

const names: Record<string, string> = {
  'a.txt': 'a.txt',
  'dir/a.txt': 'dir/a.txt',
  './dir//a.txt': 'dir/a.txt',
  [`${HOME}/a.txt`]: 'a.txt',
  [HOME]: '.',
  '/workspace': '.',
  '/workspace/a.txt': 'a.txt',
  '~': '.',
  '~/a.txt': 'a.txt',
  '~a.txt': '~a.txt',
  'dir/../a.txt': 'a.txt',
  [`${HOME}/../user/a.txt`]: 'a.txt',
  '.': '.',
};
test.each(Object.entries(names))('%s is %s', (path, name) => expect(workspaceNameOf(path)).toBe(name));

describe('what is not in the workspace', () => {
  const outside = [
    '/',
    '/etc/passwd',
    '..',
    '../a',
    '/home',
    `${HOME}2/a`,
    `${HOME}/..`,
    '/workspace/../etc',
    '/workspaces/a',
    '~/../a',
    '/../../a',
    '/tmp/a',
  ];
  test.each(outside)('%s is refused', (path) =>
    expect(() => workspaceNameOf(path)).toThrow(expect.objectContaining({ code: 'PATH_ESCAPES_WORKSPACE' })),
  );

  test('is what no text gets to', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '~', 'home', 'user', 'workspace', 'etc');
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
        let name: string;
        try {
          name = workspaceNameOf(parts.join('/'));
        } catch {
          return;
        }
        expect(name.startsWith('/')).toBe(false);
        expect(name.split('/')).not.toContain('..');
      }),
    );
  });
});

test('a file is shown by the name that holds for commands too', () => {
  expect([shownPath('.'), shownPath('a/b'), baseName('a/b'), baseName('.')]).toEqual(['/workspace', '/workspace/a/b', 'b', 'workspace']);
});
