import { execFileSync } from 'node:child_process';
import { missing } from '../child.ts';

/** True where namespaces cannot be made: the tests that need them are skipped, visibly. */
export function namespacesMissing(): boolean {
  if (missing('ip')) return true;
  if (process.getuid?.() === 0) return false;
  console.warn('skipped: network namespaces need root');
  return true;
}

/** Hosts of a network of our own: a namespace each, joined by virtual cables. Removed with everything in them by `close`. */
export class Namespaces {
  readonly #prefix = `rb${process.pid}`;
  readonly #names: string[] = [];
  #cables = 0;

  /** A host with addresses of its own. */
  host(name: string, ...addresses: string[]): void {
    this.#names.push(name);
    ip('netns', 'add', this.of(name));
    this.#ip(name, 'link', 'set', 'lo', 'up');
    for (const address of addresses) this.#ip(name, 'addr', 'add', `${address}/32`, 'dev', 'lo');
  }

  /** A cable between two hosts: one reaches `atB` by it, and the other `atA`. */
  cable(a: string, atA: string, b: string, atB: string): void {
    const [ofA, ofB] = [`c${this.#cables}a`, `c${this.#cables}b`];
    this.#cables++;
    ip('link', 'add', ofA, 'netns', this.of(a), 'type', 'veth', 'peer', 'name', ofB, 'netns', this.of(b));
    for (const [host, cable, to, own] of [
      [a, ofA, atB, atA],
      [b, ofB, atA, atB],
    ] as const) {
      this.#ip(host, 'link', 'set', cable, 'up');
      this.#ip(host, 'route', 'add', `${to}/32`, 'dev', cable, 'src', own);
    }
  }

  /** What the system calls it. */
  of(name: string): string {
    return `${this.#prefix}${name}`;
  }

  /** Command and arguments that run a program on that host. */
  on(name: string, ...command: string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.of(name), ...command]];
  }

  close(): void {
    for (const name of this.#names.splice(0)) ip('netns', 'del', this.of(name));
  }

  #ip(host: string, ...args: string[]): void {
    ip('-n', this.of(host), ...args);
  }
}

const ip = (...args: string[]): void =>
  void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
