import type { Json, LegEvent, PlacedLeg, Termination } from '../../src/contract.ts';
import { Refusal, refuse } from '../../src/kit/refusal.ts';

export type Slots = Extract<LegEvent, { type: 'slots' }>;

interface Waiting {
  readonly done: (native: Json) => void;
  readonly failed: (error: Refusal) => void;
}

/** One WHIP or WHEP session as its front holds it: the leg, and the questions to it still open. */
export class Session {
  readonly id: string;
  /** Of the client that opened it, for limits. */
  readonly address: string;
  /** RFC 9725 §4.3.1: names the current ICE session. */
  etag: string;
  /** The client's ufrag, to tell a restart from a candidate. */
  ufrag: string;
  leg: PlacedLeg | undefined;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: (why: Termination) => void;
  readonly #slots: (e: Slots) => void;
  readonly #moves: () => void;
  #closed: Termination | undefined;
  /** Descriptions that came before anyone asked. */
  readonly #early = new Map<number, Json>();
  #next = 1;

  constructor(o: {
    id: string;
    address: string;
    etag: string;
    ufrag: string;
    ended: (why: Termination) => void;
    /** Whom the lines of a player carry now. */
    slots: (e: Slots) => void;
    /** Its agent is being emptied. */
    moves: () => void;
  }) {
    this.id = o.id;
    this.address = o.address;
    this.etag = o.etag;
    this.ufrag = o.ufrag;
    this.#ended = o.ended;
    this.#slots = o.slots;
    this.#moves = o.moves;
  }

  readonly on = (e: LegEvent): void => {
    if (e.type === 'description') {
      const waiting = this.#waiting.get(e.id);
      this.#waiting.delete(e.id);
      if (waiting) waiting.done(e.native);
      else this.#early.set(e.id, e.native);
    } else if (e.type === 'refused') {
      this.#waiting.get(e.id)?.failed(new Refusal(e.why));
      this.#waiting.delete(e.id);
    } else if (e.type === 'slots') this.#slots(e);
    else if (e.type === 'move') this.#moves();
    else if (e.type === 'closed') {
      this.#closed = e.why;
      for (const waiting of this.#waiting.values()) waiting.failed(new Refusal(e.why));
      this.#waiting.clear();
      this.#ended(e.why);
    }
  };

  /** The agent's answer to `id`; 0 is the one to the request itself. Rejects with a Refusal. */
  answered(id: number): Promise<Json> {
    const early = this.#early.get(id);
    this.#early.delete(id);
    if (early !== undefined) return Promise.resolve(early);
    if (this.#closed !== undefined) return Promise.reject(new Refusal(this.#closed));
    return new Promise((done, failed) => this.#waiting.set(id, { done, failed }));
  }

  /** Sends an offer on and waits for its answer. */
  offer(native: Json): Promise<Json> {
    if (this.leg === undefined)
      return Promise.reject(refuse('client', 'conflict', 'The session is still being set up.'));
    const id = this.#next++;
    const answer = this.answered(id);
    this.leg.send({ type: 'offer', id, native });
    return answer;
  }

  close(why: Termination): void {
    this.leg?.send({ type: 'close', why });
  }
}
