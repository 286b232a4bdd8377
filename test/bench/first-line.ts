// Reads one hostile line in a process that has read none before, from the build as the daemon runs it, and prints the
// milliseconds. As a program: its arguments are the package's directory, the line's name and whether to warm up as the daemon does.

import { performance } from 'node:perf_hooks';
import { join } from 'node:path';
import type * as Analyze from '../../daemon/policy/shell/analyze.ts';
import type * as WarmUp from '../../daemon/policy/shell/warm-up.ts';
import { HOSTILE_LINES } from '../support/hostile-lines.ts';

const [packageRoot = '', name = '', isWarm] = process.argv.slice(2);
const shell = join(packageRoot, 'dist', 'daemon', 'policy', 'shell');
const { analyze } = (await import(join(shell, 'analyze.js'))) as typeof Analyze;
const { warmUp } = (await import(join(shell, 'warm-up.js'))) as typeof WarmUp;

// As one string of its own, as it comes from the wire.
const line = Buffer.from(HOSTILE_LINES.get(name) ?? '').toString('utf8');
if (line === '') throw new Error(`Cannot read ${name}: there is no such line`);
if (isWarm === 'warm') warmUp();
const startedAt = performance.now();
analyze(line, { cwd: '/workspace', isFed: false, envNames: [] });
process.stdout.write(String(performance.now() - startedAt));
