import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROBE = new URL('./probe.mjs', import.meta.url).href;

/** What `probe.mjs` tells of the process it is in. */
export interface Usage {
  /** User and system, since the process began. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** JavaScript heap and buffers outside it. */
  readonly heapBytes: number;
  /** How late timers came since the last asking. */
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** A process of its own, so that its CPU time is that of the thing measured and of nothing else. */
export class Measured {
  /** Everything it printed. */
  output = '';
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #exited: Promise<void>;

  /** `file`: TypeScript beside this file. It gets `args` and may `process.send` what it has to say. */
  static worker(file: URL, args: readonly string[] = [], nodeArgs: readonly string[] = []): Measured {
    return new Measured(fileURLToPath(file), args, ['--import', 'tsx', ...nodeArgs]);
  }

  constructor(path: string, args: readonly string[], nodeArgs: readonly string[] = []) {
    this.#name = path.slice(path.lastIndexOf('/') + 1);
    this.#process = fork(path, [...args], { silent: true, execArgv: ['--import', PROBE, ...nodeArgs] });
    const keep = (data: Buffer): void => void (this.output += data.toString());
    this.#process.stdout?.on('data', keep);
    this.#process.stderr?.on('data', keep);
    this.#exited = new Promise(resolve => this.#process.once('exit', () => resolve()));
  }

  /** The first thing the process sends that has `key`. */
  said<T>(key: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !(key in message)) return;
        this.#process.off('message', onMessage);
        this.#process.off('exit', onExit);
        resolve((message as Record<string, T>)[key] as T);
      };
      const onExit = (): void => reject(this.#gone());
      this.#process.on('message', onMessage);
      this.#process.once('exit', onExit);
    });
  }

  /** Says something to the process, and resolves with what it sends back under `key`. */
  ask<T>(message: object, key: string): Promise<T> {
    if (!this.#process.connected) throw this.#gone();
    const answer = this.said<T>(key);
    this.#process.send(message);
    return answer;
  }

  /** Says a word to the process, and resolves with what it sends back under that key. */
  asked<T>(word: string): Promise<T> {
    if (!this.#process.connected) throw this.#gone();
    const answer = this.said<T>(word);
    this.#process.send(word);
    return answer;
  }

  usage(afterGc = false): Promise<Usage> {
    if (!this.#process.connected) throw this.#gone();
    const answer = this.said<Usage>('usage');
    this.#process.send(afterGc ? 'usage after gc' : 'usage');
    return answer;
  }

  /** Resolves when it has printed `pattern`. */
  async printed(pattern: RegExp, timeoutMs = 30_000): Promise<void> {
    const giveUp = Date.now() + timeoutMs;
    while (!pattern.test(this.output)) {
      if (this.#process.exitCode !== null || Date.now() > giveUp)
        throw new Error(`${this.#name} did not print ${pattern}:\n${this.output}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  #gone(): Error {
    return new Error(`${this.#name} has ended:\n${this.output}`);
  }

  /** SIGTERM, and SIGKILL when that does not help. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    const insist = setTimeout(() => this.#process.kill('SIGKILL'), 6000);
    await this.#exited;
    clearTimeout(insist);
  }
}
