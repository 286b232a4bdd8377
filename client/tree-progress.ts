// How far the transfer of a tree is, told to the caller now and then.

/** Bytes between two calls of a progress callback within one file. */
const PROGRESS_STEP_BYTES = 1024 * 1024;

export interface TransferProgress {
  /** Files done so far. */
  readonly files: number;
  /** Bytes of content so far. */
  readonly bytes: number;
}

export interface TransferOptions {
  /** Called after every file, and for each MiB of a big one. */
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

export class TreeProgress {
  readonly #onProgress: ((progress: TransferProgress) => void) | undefined;
  #files = 0;
  #bytes = 0;
  #told = 0;

  constructor(options: TransferOptions) {
    this.#onProgress = options.onProgress;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes - this.#told >= PROGRESS_STEP_BYTES) this.#tell();
  }

  fileDone(): void {
    this.#files += 1;
    this.#tell();
  }

  #tell(): void {
    this.#told = this.#bytes;
    this.#onProgress?.({ files: this.#files, bytes: this.#bytes });
  }
}
