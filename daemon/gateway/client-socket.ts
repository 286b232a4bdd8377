// What a connection needs of the WebSocket to its client. Something else may stand in for it, and see what passes.

import type { RawData } from 'ws';

export interface ClientSocket {
  readonly bufferedAmount: number;
  on(event: 'message', listener: (data: RawData, isBinary: boolean) => void): unknown;
  on(event: 'pong' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  send(data: string): void;
  send(data: Uint8Array, options: { readonly binary: true }, onSent: () => void): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}
