// Attack: system calls that a sandbox must not have. The FILTER is tested, not the file: one program makes every call of
// the committed table inside real containers, and each answer must be the table's.
//
// Each row is made three ways. As the tenant under the filter: the answer a sandbox gets. As root with every
// capability under the filter: still refused, so nothing but the filter is needed. As root without a filter: answered
// otherwise, so the row would notice a filter that is gone.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSeccompProfile } from '../../daemon/container/seccomp-profile.ts';
import { SECCOMP_DIRECTORY } from '../support/seccomp-directory.ts';
import { emptyImage, runToEnd, testDriver } from '../support/test-engine.ts';
import { callName, readAnswers, readFilterTable, rowsHeader, type FilterRow } from './seccomp-table.ts';

const TENANT_UID = 200_001;
/** What a kernel answers that was built without the 32-bit or x32 entry. */
const ENTRY_ABSENT = new Set(['ENOSYS', 'SIGSEGV']);

/** Every capability that one of the refused calls asks for. */
const GUARDING_CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'IPC_LOCK',
  'KILL',
  'MKNOD',
  'NET_ADMIN',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SYSLOG',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_CHROOT',
  'SYS_MODULE',
  'SYS_NICE',
  'SYS_PACCT',
  'SYS_PTRACE',
  'SYS_RAWIO',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
];

type Filter = 'strict' | 'debug' | 'unconfined';
type Identity = 'tenant' | 'root';

const driver = testDriver();
const rows = readFilterTable();
const answers = new Map<string, Map<number, string>>();
const inRun = (filter: Filter, identity: Identity, row: FilterRow): string | undefined => answers.get(`${filter} ${identity}`)?.get(row.id);
let directory = '';

async function probe(image: string, filter: Filter, identity: Identity): Promise<void> {
  const out = join(directory, `${filter}-${identity}`);
  await mkdir(out);
  await chmod(out, 0o777);
  const seccomp = filter === 'unconfined' ? filter : (await loadSeccompProfile({ directory: SECCOMP_DIRECTORY, name: filter })).json;
  const isRoot = identity === 'root';
  const exitCode = await runToEnd(
    driver,
    {
      Image: image,
      Entrypoint: ['/probe/seccomp-probe', '/out/answers'],
      Cmd: [],
      User: isRoot ? '0:0' : `${TENANT_UID}:${TENANT_UID}`,
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        // Safe because: the program is ours, and as root it only makes calls whose arguments the kernel rejects or whose effect ends with the container.
        CapDrop: ['ALL'],
        CapAdd: isRoot ? GUARDING_CAPABILITIES : [],
        SecurityOpt: ['no-new-privileges:true', `seccomp=${seccomp}`],
        Mounts: [
          { Type: 'bind', Source: join(directory, 'probe'), Target: '/probe', ReadOnly: true },
          { Type: 'bind', Source: out, Target: '/out' },
        ],
      },
    },
    `cloister-test-seccomp-${filter}-${identity}-${process.pid}`,
  );
  expect(exitCode, `the probe under ${filter} as ${identity} ran to its end`).toBe(0);
  answers.set(`${filter} ${identity}`, readAnswers(await readFile(join(out, 'answers'), 'utf8')));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cloister-seccomp-'));
  await chmod(directory, 0o755);
  await mkdir(join(directory, 'probe'));
  await writeFile(join(directory, 'rows.h'), rowsHeader(rows));
  const source = fileURLToPath(new URL('seccomp-probe.c', import.meta.url));
  await promisify(execFile)('gcc', [
    '-static',
    '-O1',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-I',
    directory,
    '-o',
    join(directory, 'probe', 'seccomp-probe'),
    source,
  ]);
  const image = await emptyImage(driver);
  await probe(image, 'strict', 'tenant');
  await probe(image, 'strict', 'root');
  await probe(image, 'debug', 'tenant');
  await probe(image, 'debug', 'root');
  await writeFile(join(directory, 'rows.h'), rowsHeader(rows.filter((row) => row.hasControl)));
  await promisify(execFile)('gcc', ['-static', '-O1', '-I', directory, '-o', join(directory, 'probe', 'seccomp-probe'), source]);
  await probe(image, 'unconfined', 'root');
}, 120_000);

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const isPresent = (row: FilterRow): boolean => inRun('strict', 'tenant', row) !== undefined;
const label = (row: FilterRow): string => `${row.call}(${row.args})`;

/** Rows whose answer is none of the expected ones, in words. */
function differences(filter: 'strict' | 'debug'): string[] {
  return rows.filter(isPresent).flatMap((row) => {
    const expected = row[filter];
    const [asTenant = '', asRoot = '', control] = [
      inRun(filter, 'tenant', row),
      inRun(filter, 'root', row),
      inRun('unconfined', 'root', row),
    ];
    const isAllowed = expected.includes('allow') && asRoot === control && asRoot !== 'EPERM' && asTenant !== 'SIGSYS';
    const isRefused = expected.includes(asTenant) && expected.includes(asRoot);
    return isAllowed || isRefused
      ? []
      : [`${label(row)}: expected ${expected.join(' or ')}, got ${asTenant} as tenant, ${asRoot} as root, ${control ?? '-'} unfiltered`];
  });
}

describe('the seccomp filter', () => {
  test('answers every row of the table as written under strict.json', () => {
    expect(differences('strict')).toEqual([]);
  });

  test('answers every row of the table as written under debug.json', () => {
    expect(differences('debug')).toEqual([]);
  });

  test('is what refuses: without it the kernel answers root otherwise', () => {
    const unnoticed = rows
      .filter((row) => row.hasControl && isPresent(row) && !row.strict.includes('allow'))
      .filter((row) => {
        const control = inRun('unconfined', 'root', row) ?? '';
        const isEntryAbsent = /^(int80|x32):/.test(row.call) && ENTRY_ABSENT.has(control);
        return row.strict.includes(control) && !isEntryAbsent && !/=\d+$/.test(row.call);
      });
    expect(unnoticed.map(label)).toEqual([]);
  });

  test('has a row for every call that a profile names, and for every call of the system headers', async () => {
    const inTable = new Set(rows.filter((row) => !/^(int80|x32):/.test(row.call)).map(callName));
    const profile = JSON.parse(await readFile(join(SECCOMP_DIRECTORY, 'strict.json'), 'utf8')) as {
      syscalls: { names: string[] }[];
    };
    const named = profile.syscalls.flatMap((rule) => rule.names);
    const { stdout } = await promisify(execFile)('gcc', ['-E', '-dM', '-include', 'asm/unistd.h', '-x', 'c', '/dev/null']);
    const inHeaders = [...stdout.matchAll(/^#define __NR_(\w+) /gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'syscalls' && name !== 'arch_specific_syscall');
    expect([...named, ...inHeaders].filter((name) => !inTable.has(name))).toEqual([]);
  });
});
