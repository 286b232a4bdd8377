// Bodies of the frames that cloister-init sends, parsed into plain messages.
// Owns their layout; lengths have been checked by the decoder, contents are checked here, history is not.

import { FILE_STAT_BYTES, LinkViolation, SELF_REPORT_BYTES, STATUS_BYTES, readU64 } from './frames.ts';
import { EXIT_REASONS, START_STAGES } from './messages.ts';
import type { ExecStatus, ExitReport, FileEnd, RawStat, SelfReport } from './messages.ts';

const STATES = ['running', 'ended', 'lingering'] as const;
const END_SUBJECTS = ['path', 'path2', 'component'] as const;
const KINDS = 'fdlpscb';

export function decodeExit(body: Buffer): ExitReport {
  const reason = EXIT_REASONS[body[4] ?? 0xff];
  const stage = START_STAGES[body.readUInt32LE(60)];
  const isOomLike = body[5] ?? 0;
  if (reason === undefined || stage === undefined || isOomLike > 1)
    throw new LinkViolation('an exit report has an unknown reason or stage');
  if ((reason === 'notStarted') !== (stage !== 'none'))
    throw new LinkViolation('an exit report names a stage that does not fit its reason');
  const report: ExitReport = {
    waitStatus: body.readInt32LE(0),
    reason,
    isOomLike: isOomLike === 1,
    error: body.readUInt16LE(6),
    stage,
    outputBytes: readU64(body, 8),
    stderrBytes: readU64(body, 16),
    userUs: readU64(body, 24),
    systemUs: readU64(body, 32),
    maxRssKib: readU64(body, 40),
    durationUs: readU64(body, 48),
    lingering: body.readUInt32LE(56),
  };
  if (report.stderrBytes > report.outputBytes) throw new LinkViolation('an exit report counts more stderr than output');
  return report;
}

export function decodeStatus(body: Buffer): ExecStatus[] {
  const statuses: ExecStatus[] = [];
  const seen = new Set<number>();
  for (let at = 0; at < body.length; at += STATUS_BYTES) {
    const number = body.readUInt32LE(at);
    const state = STATES[body[at + 4] ?? 0xff];
    const status = { number, state, credited: readU64(body, at + 8), end: readU64(body, at + 16) };
    if (state === undefined || number === 0 || seen.has(number) || status.credited > status.end) {
      throw new LinkViolation('a status entry is malformed');
    }
    seen.add(number);
    statuses.push({ ...status, state });
  }
  return statuses;
}

export function decodeSelfReport(body: Buffer): SelfReport {
  return {
    mountErrno: body.readUInt32LE(0),
    unshareErrno: body.readUInt32LE(4),
    bpfErrno: body.readUInt32LE(8),
    afAlgErrno: body.readUInt32LE(12),
    ptraceErrno: body.readUInt32LE(16),
    pid: body.readUInt32LE(20),
    procStatus: body.toString('utf8', SELF_REPORT_BYTES),
  };
}

export function decodeFileEnd(body: Buffer): FileEnd {
  const errno = body.readUInt32LE(0);
  const what = END_SUBJECTS[body.readUInt16LE(4)];
  if (what === undefined || errno > 4095) throw new LinkViolation('the end of a file request has an unknown errno or subject');
  return { errno, what, body: Buffer.from(body.subarray(8)) };
}

/** Reads a file_stat at `at`. */
export function decodeStat(body: Buffer, at = 0): RawStat {
  if (body.length < at + FILE_STAT_BYTES) throw new LinkViolation('a file stat is cut short');
  const kind = String.fromCharCode(body[at] ?? 0);
  if (!KINDS.includes(kind)) throw new LinkViolation('a file stat has an unknown kind');
  return {
    kind,
    mode: body.readUInt32LE(at + 4),
    size: readU64(body, at + 8),
    mtimeNs: body.readBigInt64LE(at + 16),
    inode: body.readBigUInt64LE(at + 24),
    links: body.readUInt32LE(at + 32),
    uid: body.readUInt32LE(at + 36),
  };
}
