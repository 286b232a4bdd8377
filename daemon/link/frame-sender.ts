// How the parts of a link send.

/** Sends on the connection there is; without one what is sent is lost. */
export interface FrameSender {
  send(frame: Buffer): void;
  /** The payload is not copied and must not be changed afterwards. */
  sendData(type: number, flags: number, id: number, payload: Uint8Array): void;
}
