import type { Clock } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import type { Output } from './command.ts';

const QUIET_MS = 2000;
const EVERY_MS = 250;
const SPINNER = ['|', '/', '-', '\\'];

export interface Progress {
  /** What is being done now. */
  say(text: string): void;
  /** Runs while something else is printed: the line is out of the way. */
  print(line: string): void;
  /** Takes the line away. Idempotent. */
  end(): void;
}

/** One line that lives while something lasts: only on a terminal, only after two seconds, gone at the end. */
export function progress(out: Output, text: string, clock: Clock = systemClock): Progress {
  const from = clock.now();
  let shown = false;
  let turn = 0;
  let ended = !out.isTTY;
  let disarm = (): void => {};
  const wipe = (): void => {
    if (shown) out.write('\r\u001b[K');
    shown = false;
  };
  const draw = (): void => {
    if (ended) return;
    const elapsed = clock.now() - from;
    if (elapsed >= QUIET_MS) {
      const line = `${SPINNER[turn++ % 4]} ${text} (${Math.floor(elapsed / 1000)} s)`;
      out.write(`\r\u001b[K${line.slice(0, (out.columns ?? 80) - 1)}`);
      shown = true;
    }
    disarm = clock.at(clock.now() + EVERY_MS, draw);
  };
  if (!ended) disarm = clock.at(from + QUIET_MS, draw);
  return {
    say: next => {
      text = next;
    },
    print: line => {
      wipe();
      out.write(`${line}\n`);
    },
    end: () => {
      if (ended) return;
      ended = true;
      disarm();
      wipe();
    },
  };
}
