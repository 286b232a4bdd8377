// Prints each step with what was expected and what happened; any surprise makes the demo fail.

export class Report {
  #surprises = 0;
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  get surprises(): number {
    return this.#surprises;
  }

  chapter(title: string): void {
    this.#write(`\n== ${title}`);
  }

  show(line: string): void {
    this.#write(`     | ${line}`);
  }

  check(claim: string, expected: string, happened: string, holds: boolean): void {
    if (!holds) this.#surprises += 1;
    this.#write(`${holds ? '  ok ' : 'FAIL '} ${claim}\n       expected: ${expected}\n       happened: ${happened}`);
  }

  equal(claim: string, expected: string | number | null, happened: string | number | null): void {
    this.check(claim, String(expected), String(happened), expected === happened);
  }
}
