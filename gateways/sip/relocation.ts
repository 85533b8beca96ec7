import type { LegEvent, Termination } from '../../src/contract.ts';
import { type Millis, NEVER, type Tick } from '../../src/kit/core.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import { BETWEEN_AGENTS, MOVED, terminationOfEnd } from './call-ends.ts';
import type { CallIn, CallOut } from './call-steps.ts';
import { readSdp } from './native.ts';

/** How long another agent is sought for a call without one: one that is started again may be there by then. */
const SEEK_MS = 5000;
/** The platform says no before. */
const LEAVE_MS = 10_000;
/** Between two tries: doubled from the one to the other. */
const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 1000;

/** What a call goes on from. */
export interface Before {
  /** Our newest description. */
  readonly ours: string | undefined;
  /** The phone holds it. */
  readonly held: boolean;
}

export type Relocated =
  /** There is a new leg, and the phone is to hear what it has to say. */
  | { readonly type: 'moved'; readonly sdp: string }
  /** The old leg lives on. */
  | { readonly type: 'stays' }
  /** Nobody takes the call. */
  | { readonly type: 'given-up'; readonly why: Termination }
  /** The phone has hung up meanwhile. */
  | { readonly type: 'ended'; readonly why: Termination };

/**
 * The search for another agent for a call whose own has died, or is to be left: what is asked, and what is said to the
 * phone meanwhile. Sans-I/O.
 */
export class Relocation {
  /** How the call ends when nobody takes it. */
  readonly #why: Termination;
  readonly #before: Before;
  readonly #do: (out: CallOut) => void;
  /** There is a new leg. */
  #placed = false;
  /** What it has to say. */
  #description: string | undefined;
  readonly #giveUpAt: Millis;
  #askAt: Millis;
  #waitMs = FIRST_WAIT_MS;

  constructor(why: Termination, before: Before, now: Millis, tell: (out: CallOut) => void) {
    this.#why = why;
    this.#before = before;
    this.#do = tell;
    this.#giveUpAt = now + (why === MOVED ? LEAVE_MS : SEEK_MS);
    this.#askAt = now;
  }

  get deadline(): Millis {
    return Math.min(this.#askAt, this.#giveUpAt);
  }

  /** `up`: the phone may be asked. Undefined: the search goes on. */
  handle(input: CallIn | Tick, up: boolean, now: Millis): Relocated | undefined {
    switch (input.type) {
      case 'tick':
        return this.#seek(now);
      case 'placed':
        this.#placed = true;
        return this.#moved(up);
      case 'unplaced':
        if (input.stays) return { type: 'stays' };
        // What the caller may not, no other agent can grant.
        if (input.why.blame === 'client') return { type: 'given-up', why: input.why };
        return this.#failed(now);
      case 'leg':
        return this.#onLeg(input.event, up, now);
      case 'sip':
        return this.#onSip(input.event, up);
      case 'close':
        return { type: 'given-up', why: input.why };
      default:
        return undefined;
    }
  }

  /** Asks once a try. */
  #seek(now: Millis): Relocated | undefined {
    if (now >= this.#giveUpAt) return { type: 'given-up', why: this.#why };
    if (now < this.#askAt) return undefined;
    this.#askAt = NEVER;
    const { ours, held } = this.#before;
    this.#do({ type: 'place-again', why: this.#why.reason, before: ours, held });
    return undefined;
  }

  #onLeg(e: LegEvent, up: boolean, now: Millis): Relocated | undefined {
    if (e.type === 'description' && e.id === 0) {
      this.#description = readSdp(e.native);
      return this.#moved(up);
    }
    if (e.type !== 'closed' || !this.#placed) return undefined; // one that was never placed is told as `unplaced`
    return e.why.reason === 'agent-lost' ? this.#failed(now) : { type: 'given-up', why: e.why };
  }

  #onSip(e: Parameters<OnCall>[0], up: boolean): Relocated | undefined {
    switch (e.type) {
      case 'confirmed':
        return this.#moved(up);
      case 'offer':
        this.#do({ type: 'reject', why: BETWEEN_AGENTS });
        return undefined;
      case 'ended':
        return { type: 'ended', why: terminationOfEnd(e.by, e.reason) };
      default:
        return undefined;
    }
  }

  /** Once there is a leg, and it has said what it has to say. */
  #moved(up: boolean): Relocated | undefined {
    if (!this.#placed || this.#description === undefined || !up) return undefined;
    return { type: 'moved', sdp: this.#description };
  }

  /** Nothing came of the last try. */
  #failed(now: Millis): undefined {
    this.#placed = false;
    this.#description = undefined;
    this.#askAt = now + this.#waitMs;
    this.#waitMs = Math.min(LAST_WAIT_MS, this.#waitMs * 2);
  }
}
