import type { Millis } from '../../../contract.ts';
import { type Control, TOKEN_BYTES } from './app.ts';
import type { ControlLine } from './control-line.ts';
import type { Keys } from './key-ring.ts';
import type { Path } from './path.ts';

export interface ProbesOptions {
  readonly side: 'client' | 'server';
  readonly random: (bytes: number) => Buffer;
  readonly keys: Keys;
  readonly line: ControlLine;
  readonly count: (reason: string) => void;
}

/** What is said on one path only: PATH_CHALLENGE and its answer, CLOSE. `preferred`: we send our media there. */
export class Probes {
  readonly #o: ProbesOptions;
  constructor(o: ProbesOptions) {
    this.#o = o;
  }

  /**
   * False: more than that address may be sent before it has answered. Nothing is lost by that, and so nothing counted:
   * who is only far away, or slow, is asked again as soon as more is heard from there.
   */
  ask(path: Path, preferred: boolean, now: Millis): boolean {
    const token = this.#o.random(TOKEN_BYTES);
    const epoch = this.#o.keys.sendEpoch;
    if (!this.#say(path, [{ ...this.#about(path, preferred), type: 'challenge', token }], now)) return false;
    path.asked(token, epoch, now);
    return true;
  }

  /** Whoever asks from an address that has not answered is asked in the same breath, within what it may be sent. */
  answer(path: Path, token: Uint8Array, preferred: boolean, now: Millis): void {
    const about = this.#about(path, preferred);
    const answer = { ...about, type: 'response', token } as const;
    if (path.state !== 'new') return void this.say(path, [answer], now);
    const ours = this.#o.random(TOKEN_BYTES);
    const epoch = this.#o.keys.sendEpoch;
    if (this.say(path, [answer, { ...about, type: 'challenge', token: ours }], now))
      path.asked(ours, epoch, now);
  }

  /** False: as with `ask`, but here it is counted. */
  say(path: Path, controls: readonly Control[], now: Millis): boolean {
    const said = this.#say(path, controls, now);
    if (!said) this.#o.count('amplification');
    return said;
  }

  #say(path: Path, controls: readonly Control[], now: Millis): boolean {
    const unproven = this.#o.side === 'server' && path.state === 'new';
    return this.#o.line.direct(path, controls, unproven, now);
  }

  #about(path: Path, preferred: boolean) {
    // A router looks at nothing but the id: through one it is never left out.
    const known = path.route.via === undefined && (this.#o.side === 'client' || path.state !== 'new');
    return { path: path.number, known, preferred };
  }
}
