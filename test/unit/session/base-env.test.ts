// The environment every command starts from.

import { expect, test } from 'vitest';
import { baseEnv } from '../../../daemon/session/base-env.ts';

test("an image adds names and can't add what the loader obeys, nor change whose home it is", () => {
  const env = baseEnv([
    'PATH=/opt/bin:/usr/bin',
    'EMPTY=',
    'WITH=a=b',
    'LD_PRELOAD=/x.so',
    'NODE_OPTIONS=--require=/x',
    'BASH_ENV=/x',
    'HOME=/root',
    'TMPDIR=/x',
    'no-name',
    '=x',
    'A B=c',
  ]);
  expect(env).toEqual({
    PATH: '/opt/bin:/usr/bin',
    LANG: 'C.UTF-8',
    EMPTY: '',
    WITH: 'a=b',
    HOME: '/tmp/home',
    TMPDIR: '/tmp',
    USER: 'sandbox',
    LOGNAME: 'sandbox',
  });
});
