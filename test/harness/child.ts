import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** True when `program` is on the PATH. */
function has(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(dir => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Whether a test that needs these programs must be skipped. In CI (`ROOMBRIDGE_PEERS=required`) a missing one is a
 * failure, so nothing is skipped there.
 */
export function missing(...programs: string[]): boolean {
  const absent = programs.filter(p => !has(p));
  if (absent.length === 0) return false;
  if (process.env.ROOMBRIDGE_PEERS === 'required')
    throw new Error(`peer programs are missing: ${absent.join(', ')}`);
  console.warn(`skipped: ${absent.join(', ')} not installed (docs: CONTRIBUTING.md)`);
  return true;
}

/** ROOMBRIDGE_PEERS is for the tests alone: to the program an unknown variable of its name is an error. */
const { ROOMBRIDGE_PEERS: _tests, ...env } = process.env;

interface Waiting {
  readonly pattern: RegExp;
  readonly from: number;
  resolve(m: RegExpMatchArray): void;
  giveUp(why: string): void;
}

/** A peer program: its output is kept, and it is ended by its own process id. */
export class Child {
  readonly process: ChildProcess;
  output = '';
  readonly name: string;
  /** Its exit code, once all it said is in `output`. */
  readonly exited: Promise<number | null>;
  readonly #waiting: Waiting[] = [];
  #over = false;

  constructor(name: string, command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.name = name;
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env, ...options });
    const read = (data: Buffer): void => {
      this.output += data.toString();
      for (const w of this.#waiting.splice(0)) {
        const m = this.output.slice(w.from).match(w.pattern);
        if (m) w.resolve(m);
        else this.#waiting.push(w);
      }
    };
    this.process.stdout?.on('data', read);
    this.process.stderr?.on('data', read);
    this.process.stdin?.on('error', () => {}); // it may be gone before we are done writing
    this.exited = new Promise(resolve => {
      const over = (code: number | null): void => {
        this.#over = true;
        for (const w of this.#waiting.splice(0)) w.giveUp('it has ended');
        resolve(code);
      };
      this.process.once('close', over);
      this.process.once('exit', code => setTimeout(over, 2000, code)); // a child of its own may hold its output
      this.process.once('error', error => {
        this.output += String(error);
        over(-1);
      });
    });
  }

  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** Waits for output that matches, from now on or already there. */
  until(pattern: RegExp, timeoutMs = 15_000, from = 0): Promise<RegExpMatchArray> {
    const seen = this.output.slice(from).match(pattern);
    if (seen) return Promise.resolve(seen);
    return new Promise((resolve, reject) => {
      const giveUp = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`${this.name}: no ${pattern}: ${why}; it said:\n${this.output.slice(-3000)}`));
      };
      const waiting: Waiting = {
        pattern,
        from,
        giveUp,
        resolve: m => {
          clearTimeout(timer);
          resolve(m);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        giveUp(`not within ${timeoutMs} ms`);
      }, timeoutMs);
      if (this.#over) giveUp('it has ended');
      else this.#waiting.push(waiting);
    });
  }

  /** Asks it to end, and insists after `graceMs`. Resolves with its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 3000): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), graceMs);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }
}
