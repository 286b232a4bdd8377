// The processes of one private engine, found by what their command line says and never by a bare pid, and their end.
// Knows nothing of the Engine API.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineLayout } from './engine-layout.ts';

export type EngineRole = 'dockerd' | 'containerd' | 'shim';

export interface EngineProcess {
  readonly pid: number;
  readonly role: EngineRole;
}

const POLL_MS = 20;

/** Which part of the engine a command line is, or null for a process of somebody else. */
export function roleOf(argv: readonly string[], layout: EngineLayout): EngineRole | null {
  const program = path.basename(argv[0] ?? '');
  if (program === 'dockerd' && argv.includes(`--host=unix://${layout.socketPath}`)) return 'dockerd';
  if (/^(docker-)?containerd$/.test(program) && argv.includes(layout.containerdConfig)) return 'containerd';
  if (program.startsWith('containerd-shim') && argv.includes(layout.containerdSocket)) return 'shim';
  return null;
}

async function readArgv(pid: number): Promise<readonly string[]> {
  // Empty for zombies and kernel threads, which is just right.
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.split('\0').slice(0, -1);
}

export async function engineProcess(pid: number, layout: EngineLayout): Promise<EngineProcess | null> {
  const role = roleOf(await readArgv(pid), layout);
  return role === null ? null : { pid, role };
}

export async function findEngineProcesses(layout: EngineLayout): Promise<readonly EngineProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => engineProcess(pid, layout)));
  return found.filter((entry) => entry !== null);
}

/** The pid a pid file names, provided that it still is the process the file was written for. */
export async function livePid(pidFile: string, role: EngineRole, layout: EngineLayout): Promise<number | null> {
  const text = await readFile(pidFile, 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(pid) || pid <= 1) return null;
  return (await engineProcess(pid, layout))?.role === role ? pid : null;
}

export function sendSignal(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    kill(pid, signal);
  } catch {
    // It ended by itself in the meantime; whoever waits for its end sees that.
  }
}

async function isGone(target: EngineProcess, layout: EngineLayout): Promise<boolean> {
  return (await engineProcess(target.pid, layout)) === null;
}

async function waitUntilGone(target: EngineProcess, layout: EngineLayout, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!(await isGone(target, layout))) {
    if (performance.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** SIGTERM, the grace period, SIGKILL; false when it outlives even that. */
export async function endProcess(target: EngineProcess, layout: EngineLayout, graceMs: number): Promise<boolean> {
  sendSignal(target.pid, 'SIGTERM');
  if (await waitUntilGone(target, layout, graceMs)) return true;
  sendSignal(target.pid, 'SIGKILL');
  return waitUntilGone(target, layout, 5_000);
}
