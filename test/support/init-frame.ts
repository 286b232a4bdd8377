// One frame of the link, as the test peer of cloister-init takes it.

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly body: Buffer;
}
