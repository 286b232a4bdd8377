// Bodies of the frames that the daemon sends to cloister-init.
// Owns their layout and bounds; knows nothing of sockets or of what was sent before.

import { SandboxError } from '../../client/protocol/errors.ts';
import { DOWN, HEADER_BYTES, MAX_PATH_BYTES, MAX_SEARCH_BYTES, MAX_START_BODY, encodeFrame, writeHeader, writeU64 } from './frames.ts';
import { FILE_OPS } from './messages.ts';
import { pathBytes } from './path-bytes.ts';
import type { FileRequest, KillCommand, StartCommand } from './messages.ts';

const START_STRUCT = 32;
const FILE_STRUCT = 32;

/** A whole START frame. INVALID_REQUEST for what init would refuse: no argv, NUL bytes, more than 1 MiB. */
export function encodeStart(number: number, command: StartCommand): Buffer {
  const env = Object.entries(command.env);
  if (command.argv.length === 0) throw new SandboxError('INVALID_REQUEST', 'Cannot start the command: argv is empty');
  if (command.argv.length > 0xffff || env.length > 0xffff) {
    throw new SandboxError('INVALID_REQUEST', 'Cannot start the command: more than 65,535 arguments or variables');
  }
  const strings = [command.cwd, ...command.argv, ...env.map(([name, value]) => `${name}=${value}`)];
  let length = START_STRUCT;
  for (const text of strings) {
    if (text.includes('\0'))
      throw new SandboxError('INVALID_REQUEST', 'Cannot start the command: an argument, a variable or cwd contains a NUL byte');
    length += Buffer.byteLength(text) + 1;
  }
  if (length > MAX_START_BODY) {
    throw new SandboxError(
      'TOO_LARGE',
      `Cannot start the command: arguments and environment take ${length} bytes of at most ${MAX_START_BODY}`,
    );
  }
  const frame = Buffer.alloc(HEADER_BYTES + length);
  writeHeader(frame, DOWN.start, 0, number, length);
  const body = frame.subarray(HEADER_BYTES);
  body[0] = command.stdin === 'pipe' ? 1 : 0;
  body[1] = command.pty === undefined ? 0 : 1;
  body.writeUInt16LE(command.pty?.columns ?? 0, 2);
  body.writeUInt16LE(command.pty?.rows ?? 0, 4);
  body.writeUInt16LE(command.argv.length, 6);
  body.writeUInt16LE(env.length, 8);
  body.writeUInt32LE(command.wallMs, 12);
  body.writeUInt32LE(command.idleMs, 16);
  body.writeUInt32LE(command.graceMs, 20);
  body.writeUInt32LE(command.oomScore ?? 0, 24);
  let at = START_STRUCT;
  for (const text of strings) at += body.write(text, at) + 1;
  return frame;
}

export function encodeKill(number: number, kill: KillCommand): Buffer {
  const body = Buffer.alloc(8);
  body[0] = kill.mode === 'tree' ? 1 : 0;
  body[1] = kill.signal;
  body.writeUInt32LE(kill.graceMs, 4);
  return encodeFrame(DOWN.kill, 0, number, body);
}

/** A frame whose body is one 64-bit figure: credits and pings. */
export function encodeU64(type: number, flags: number, id: number, value: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + 8);
  writeHeader(frame, type, flags, id, 8);
  writeU64(frame, value, HEADER_BYTES);
  return frame;
}

export function encodeResize(number: number, columns: number, rows: number): Buffer {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt16LE(columns, 0);
  body.writeUInt16LE(rows, 2);
  return encodeFrame(DOWN.resize, 0, number, body);
}

export function encodeDial(id: number, port: number): Buffer {
  const body = Buffer.allocUnsafe(2);
  body.writeUInt16LE(port, 0);
  return encodeFrame(DOWN.dial, 0, id, body);
}

/** A whole FILE frame. INVALID_REQUEST for a path or an extra beyond its bound. */
export function encodeFileRequest(id: number, request: FileRequest): Buffer {
  const path = pathBytes(request.path);
  const path2 = pathBytes(request.path2 ?? '');
  const extra = request.extra ?? new Uint8Array(0);
  const maxExtra = request.op === 'list' || request.op === 'grep' ? MAX_SEARCH_BYTES : MAX_PATH_BYTES;
  if (extra.byteLength > maxExtra && maxExtra === MAX_SEARCH_BYTES) {
    throw new SandboxError('TOO_LARGE', `Cannot ${request.op} ${request.path.slice(0, 80)}: its patterns take ${extra.byteLength} bytes`, {
      hint: `At most ${MAX_SEARCH_BYTES} bytes of compiled patterns go into one search.`,
    });
  }
  for (const [part, bound] of [[path, MAX_PATH_BYTES] as const, [path2, MAX_PATH_BYTES] as const, [extra, maxExtra] as const]) {
    if (part.byteLength > bound) {
      throw new SandboxError(
        'INVALID_REQUEST',
        `Cannot ${request.op} ${request.path.slice(0, 80)}...: a path takes more than ${MAX_PATH_BYTES} bytes`,
      );
    }
  }
  const length = FILE_STRUCT + path.length + path2.length + extra.byteLength;
  const frame = Buffer.alloc(HEADER_BYTES + length);
  writeHeader(frame, DOWN.file, 0, id, length);
  const body = frame.subarray(HEADER_BYTES);
  body[0] = FILE_OPS[request.op];
  body[1] = request.flags ?? 0;
  body.writeUInt16LE(path.length, 2);
  body.writeUInt16LE(path2.length, 4);
  body.writeUInt16LE(extra.byteLength, 6);
  body.writeUInt32LE(request.mode ?? 0, 8);
  body.writeUInt32LE(request.depth ?? 0, 12);
  writeU64(body, request.offset ?? 0, 16);
  writeU64(body, request.length ?? 0, 24);
  path.copy(body, FILE_STRUCT);
  path2.copy(body, FILE_STRUCT + path.length);
  body.set(extra, FILE_STRUCT + path.length + path2.length);
  return frame;
}
