import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { workspacePath } from '../../../daemon/files/workspace-path.ts';

describe('a path of the workspace', () => {
  test.each([
    { claim: 'a relative path stays as it is', path: 'src/a.txt', is: 'src/a.txt' },
    { claim: 'an absolute path under /workspace loses it', path: '/workspace/src/a.txt', is: 'src/a.txt' },
    { claim: '/workspace is the workspace itself', path: '/workspace', is: '' },
    { claim: '/workspace/ is, too', path: '/workspace/', is: '' },
    { claim: '. is, too', path: '.', is: '' },
    { claim: 'slashes and dots fold', path: './/a/./b//', is: 'a/b' },
    { claim: '.. inside is taken as text', path: 'a/../b', is: 'b' },
    { claim: '.. back to the workspace itself is inside', path: 'a/..', is: '' },
    { claim: '//workspace is /workspace', path: '//workspace//a', is: 'a' },
    { claim: '... is a name', path: '...', is: '...' },
    { claim: '..a is a name', path: '..a/b..', is: '..a/b..' },
    { claim: 'a backslash is a character', path: '..\\a', is: '..\\a' },
    { claim: 'percent signs are characters', path: '%2e%2e/a', is: '%2e%2e/a' },
    { claim: 'blanks and newlines are characters', path: ' a\nb ', is: ' a\nb ' },
    { claim: 'other alphabets are names', path: 'ä/日本', is: 'ä/日本' },
    { claim: 'a directory called workspace is relative', path: 'workspace/a', is: 'workspace/a' },
    { claim: 'a name of 255 bytes fits', path: 'x'.repeat(255), is: 'x'.repeat(255) },
  ])('$claim', ({ path, is }) => {
    expect(workspacePath(path)).toBe(is);
  });

  test.each([
    { claim: '..', path: '..', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '../workspace/a, though it would come back', path: '../workspace/a', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a/../../b', path: 'a/../../b', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/', path: '/', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/etc/passwd', path: '/etc/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/workspace/..', path: '/workspace/..', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/workspace/../etc', path: '/workspace/../etc', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/etc/../workspace/a, though it would come back', path: '/etc/../workspace/a', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/workspacex', path: '/workspacex', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: '/proc/self/root', path: '/proc/self/root', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'the empty path', path: '', code: 'INVALID_REQUEST' },
    { claim: 'a NUL byte', path: 'a\0.txt', code: 'INVALID_REQUEST' },
    { claim: 'half a surrogate pair', path: 'a\ud800', code: 'INVALID_REQUEST' },
    { claim: 'a name of 256 bytes', path: 'ä'.repeat(128), code: 'INVALID_REQUEST' },
    { claim: 'more than 4,096 bytes', path: 'a/'.repeat(2049), code: 'INVALID_REQUEST' },
  ])('refuses $claim with $code', ({ path, code }) => {
    expect(() => workspacePath(path)).toThrow(expect.objectContaining({ code }));
  });

  test('never has a component that means something else', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('..', '.', '', 'a', '...', 'workspace', '/'), { maxLength: 12 }), (parts) => {
        let path: string;
        try {
          path = workspacePath(parts.join('/'));
        } catch {
          return;
        }
        if (path !== '') for (const component of path.split('/')) expect(['', '.', '..']).not.toContain(component);
        expect(workspacePath(path === '' ? '.' : path)).toBe(path);
      }),
    );
  });
});
