import type { Clock, CodecName, Millis } from '../../src/contract.ts';
import type { Refusal } from '../../src/kit/refusal.ts';
import type { Ask } from './ask.ts';
import type { Ear } from './ear.ts';
import type { Facts, Step } from './facts.ts';
import { failed } from './verdict.ts';

/** What the server's RTCP says of our sound. */
export interface Outward {
  packets: number;
  reports: number;
  reported: boolean;
  lossPercent?: number;
  jitterMs?: number;
  rttMs?: number;
}

/** One dial under way: its clock, what it has found out so far, and the wish to end it. */
export class Trip {
  readonly clock: Clock;
  /** Rejects when the user has had enough. */
  readonly interrupted: Promise<never>;
  readonly out: Outward = { packets: 0, reports: 0, reported: false };
  codec: CodecName | undefined;
  mediaTo: string | undefined;
  ear: Ear | undefined;
  talkFrom: Millis | undefined;
  talkTo: Millis | undefined;
  #startedAt: Millis;
  readonly #say: (text: string) => void;
  readonly #steps: Step[] = [];
  readonly #notes: string[] = [];

  constructor(clock: Clock, signal: AbortSignal, say: (text: string) => void) {
    this.clock = clock;
    this.interrupted = new Promise((_, fail) => {
      if (signal.aborted) fail(interrupted());
      signal.addEventListener('abort', () => fail(interrupted()), { once: true });
    });
    this.interrupted.catch(() => {}); // it may come when nobody waits
    this.#say = say;
    this.#startedAt = clock.now();
  }

  /** Times count from here: what was made ready before is no time of the server's. */
  begin(): void {
    this.#startedAt = this.clock.now();
  }

  /** What is being done now, for the progress line. */
  say(text: string): void {
    this.#say(text);
  }
  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }
  /** A step of the set-up is done. The same one again (a retransmission) is not told. */
  step(name: string, detail?: string, at: Millis = this.clock.now()): void {
    if (this.#steps.some(s => s.name === name)) return;
    this.#steps.push({ name, atMs: at - this.#startedAt, detail });
  }

  /** As `what`, but no longer than `ms`, and no longer than the user wants. */
  async within<T>(what: Promise<T>, ms: Millis, late: () => Refusal): Promise<T> {
    let disarm = (): void => {};
    const timeout = new Promise<never>((_, fail) => {
      disarm = this.clock.at(this.clock.now() + ms, () => fail(late()));
    });
    try {
      return await Promise.race([what, timeout, this.interrupted]);
    } finally {
      disarm();
    }
  }

  facts({ target, expectHz }: Pick<Ask, 'target' | 'expectHz'>): Facts {
    const { ear, talkFrom } = this;
    const { rttMs, ...out } = this.out;
    const totals = ear?.receiver.totals ?? { packets: 0, lost: 0 };
    const expected = totals.packets + totals.lost;
    return {
      target,
      expectHz,
      steps: this.#steps.toSorted((a, b) => a.atMs - b.atMs),
      notes: this.#notes,
      codec: this.codec,
      mediaTo: this.mediaTo,
      talkedMs: talkFrom === undefined ? 0 : (this.talkTo ?? this.clock.now()) - talkFrom,
      rttMs,
      out,
      in: {
        packets: totals.packets,
        ...(expected > 0 && { lossPercent: (100 * totals.lost) / expected }),
        ...(totals.packets > 1 && { jitterMs: ear?.receiver.reception.jitterMs }),
        ...ear?.heard,
      },
    };
  }
}

const interrupted = (): Refusal =>
  failed('interrupted', 'Interrupted before the dial was done; the call was hung up.');
