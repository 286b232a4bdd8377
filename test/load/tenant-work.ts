// What one tenant does for as long as it is let, and what it finds wrong: an answer that is not the right one, or an error
// that nothing which happened to the host explains.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cloister, ExecResult, Sandbox } from '../../client/index.ts';
import type { ExpectedFiles } from '../support/crash-model.ts';
import { pick } from '../support/random-from.ts';
import type { ShakenHost } from './shaken-host.ts';

/** The second one is opened now and then. */
const SESSIONS = ['one', 'one', 'one', 'two'];
const PATHS = ['a', 'b', 'dir/c'];
const MOST_IN_A_ROW = 8;
const LONGEST_REST_MS = 1000;
const MAX_LINES = 4000;

export interface TenantWorkOptions {
  readonly tenant: string;
  readonly client: Cloister;
  readonly host: ShakenHost;
  readonly files: ExpectedFiles;
  readonly random: () => number;
}

interface Opened {
  readonly sandbox: Sandbox;
  readonly crashesThen: number;
}

export class TenantWork {
  readonly #options: TenantWorkOptions;
  readonly #opened = new Map<string, Opened>();
  /** What was wrong, as sentences. */
  readonly wrong: string[] = [];
  /** Answers that were right. */
  done = 0;
  /** Errors by code that what happened explains. */
  readonly refused = new Map<string, number>();
  #serial = 0;

  constructor(options: TenantWorkOptions) {
    this.#options = options;
  }

  get sandboxes(): string[] {
    return [...this.#opened.values()].map(({ sandbox }) => sandbox.id);
  }

  /** One thing after the other until it is told to stop. */
  async until(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.#step();
  }

  async closeAll(): Promise<void> {
    for (const session of new Set(SESSIONS)) {
      if (this.#opened.has(session)) await this.#guarded(session, async (sandbox) => sandbox.close({ workspace: 'delete' }));
    }
  }

  /** Some work without a pause, and a rest in which it may be evicted. */
  async #step(): Promise<void> {
    const { random } = this.#options;
    const session = pick(random, SESSIONS);
    const verbs = [
      this.#exec,
      this.#exec,
      this.#stream,
      this.#write,
      this.#write,
      this.#writeByExec,
      this.#read,
      this.#read,
      this.#endings,
    ];
    let left = 1 + Math.floor(random() * MOST_IN_A_ROW);
    while (left > 0 && (await this.#guarded(session, pick(random, verbs)))) left -= 1;
    await sleep(random() * LONGEST_REST_MS);
  }

  /** With the session's sandbox, opened if it is not; false: there was an error, which is explained or wrong. */
  async #guarded(session: string, verb: (this: TenantWork, sandbox: Sandbox, session: string) => Promise<void>): Promise<boolean> {
    const { client, host, tenant } = this.#options;
    const crashesThen = this.#opened.get(session)?.crashesThen ?? host.crashes;
    try {
      if (!this.#opened.has(session)) {
        const sandbox = await client.open({ session, limits: { memoryBytes: 96 * 1024 ** 2, tmpBytes: 16 * 1024 ** 2 } });
        this.#opened.set(session, { sandbox, crashesThen });
        if (sandbox.tenant !== tenant || sandbox.session !== session)
          this.#isWrong(session, `it was given ${sandbox.tenant}/${sandbox.session}`);
      }
      await verb.call(this, this.#opened.get(session)!.sandbox, session);
      this.done += 1;
      return true;
    } catch (error) {
      const code = String((error as { code?: unknown }).code ?? error);
      const id = this.#opened.get(session)?.sandbox.id;
      if (this.#isExplained(code, id, crashesThen)) this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      else this.#isWrong(session, `${String(error)} (${code})`);
      this.#opened.delete(session);
      return false;
    }
  }

  #isExplained(code: string, id: string | undefined, crashesThen: number): boolean {
    const { host } = this.#options;
    const hasCrashed = host.crashes > crashesThen;
    switch (code) {
      // There are fewer places than tenants: who rests is evicted, and where all work there is none.
      case 'SESSION_EXPIRED':
      case 'CAPACITY':
        return true;
      case 'SANDBOX_FAILED':
        return hasCrashed || (id !== undefined && host.killed.has(id));
      // A daemon does not remember how sandboxes ended under the one before; some calls can't be made twice.
      case 'NOT_FOUND':
      case 'OUTCOME_UNKNOWN':
        return hasCrashed;
      default:
        return false;
    }
  }

  async #exec(sandbox: Sandbox, session: string): Promise<void> {
    const word = this.#word();
    const code = Math.floor(this.#options.random() * 100);
    const result = await sandbox.exec(`echo ${word}; echo ${code} >&2; exit ${code}`);
    if (
      this.#hasEnded(result, sandbox, session) &&
      (result.stdout !== `${word}\n` || result.stderr !== `${code}\n` || result.exitCode !== code)
    )
      this.#isWrong(session, `"echo ${word}; exit ${code}" answered ${result.exitCode} and ${JSON.stringify(result.stdout)}`);
  }

  async #stream(sandbox: Sandbox, session: string): Promise<void> {
    const lines = 1 + Math.floor(this.#options.random() * MAX_LINES);
    const execution = sandbox.exec(`seq ${lines}`);
    let text = '';
    for await (const chunk of execution) text += chunk.text;
    if (!this.#hasEnded(await execution, sandbox, session)) return;
    if (text !== Array.from({ length: lines }, (_, n) => `${n + 1}\n`).join(''))
      this.#isWrong(session, `seq ${lines} came as ${text.length} characters that end ${JSON.stringify(text.slice(-20))}`);
  }

  async #write(sandbox: Sandbox, session: string): Promise<void> {
    const [path, content] = [pick(this.#options.random, PATHS), this.#word()];
    const answered = this.#options.files.writing(this.#key(session), path, content);
    await sandbox.files.write(path, content);
    answered();
  }

  async #writeByExec(sandbox: Sandbox, session: string): Promise<void> {
    const [path, content] = [pick(this.#options.random, PATHS), this.#word()];
    const answered = this.#options.files.writing(this.#key(session), path, content);
    const result = await sandbox.exec(`mkdir -p dir && printf %s ${content} > ${path}.new && mv ${path}.new ${path}`);
    if (!this.#hasEnded(result, sandbox, session)) return;
    if (result.exitCode === 0) answered();
    else this.#isWrong(session, `writing ${path} ended with ${result.exitCode}: ${result.stderr}`);
  }

  async #read(sandbox: Sandbox, session: string): Promise<void> {
    const path = pick(this.#options.random, PATHS);
    const content = await sandbox.files.readText(path).catch((error: { code?: unknown }) => {
      if (error.code === 'FILE_NOT_FOUND') return null;
      throw error;
    });
    if (!this.#options.files.saw(this.#key(session), path, content)) this.#isWrong(session, `${path} reads ${JSON.stringify(content)}`);
  }

  /** Closes, deletes, pauses. */
  async #endings(sandbox: Sandbox, session: string): Promise<void> {
    const { random, files } = this.#options;
    const choice = random();
    if (choice < 0.3) await sandbox.pause();
    else if (choice < 0.7) {
      await sandbox.close();
      this.#opened.delete(session);
    } else {
      const answered = files.deleting(this.#key(session));
      await sandbox.close({ workspace: 'delete' });
      answered();
      this.#opened.delete(session);
    }
  }

  /** False: it was ended with its sandbox, which is right if its container was killed and wrong otherwise. */
  #hasEnded(result: ExecResult, sandbox: Sandbox, session: string): boolean {
    if (result.outcome === 'exited') return true;
    if (!this.#options.host.killed.has(sandbox.id))
      this.#isWrong(
        session,
        `a command ended ${result.outcome} by ${'by' in result ? String(result.by) : 'nobody'}: ${JSON.stringify(result.notes)}`,
      );
    this.#opened.delete(session);
    return false;
  }

  #isWrong(session: string, sentence: string): void {
    this.wrong.push(`${this.#key(session)}: ${sentence}`);
  }

  #key(session: string): string {
    return `${this.#options.tenant}/${session}`;
  }

  /** Nobody else's, and used once. */
  #word(): string {
    this.#serial += 1;
    return `${this.#options.tenant}-${this.#serial}`;
  }
}
