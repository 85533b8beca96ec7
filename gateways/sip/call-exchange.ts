import type { LegCommand, Millis, Termination } from '../../src/contract.ts';
import { NEVER } from '../../src/kit/core.ts';
import { AGENT_SILENT, BETWEEN_AGENTS, MOVED, notMoved } from './call-ends.ts';
import type { CallOut } from './call-steps.ts';
import { sipNative } from './native.ts';

/** An agent that says nothing to an offer for this long has refused it. */
const AGENT_MS = 8_000;
/** The phone's "not now" to the description of a new agent: asked again after so long, until so long after the first. */
const MOVE_AGAIN_MS = 1000;
const MOVE_MS = 20_000;

/** An offer/answer exchange under way after the first. */
interface Exchange {
  readonly id: number;
  readonly by: 'peer' | 'us';
  /** The peer asked us to offer: its answer comes in the ACK. */
  readonly offerless: boolean;
  /** The agent has spoken; the rest is between the phones. */
  described: boolean;
}

/** What the exchanges need of their call. */
export interface ExchangeUser {
  isUp(): boolean;
  do(out: CallOut): void;
  /** Both sides agree: the leg may begin. */
  confirmed(): void;
  hangUp(why: Termination): void;
  /** The line is free, and the agent is to be left. */
  relocate(why: Termination, now: Millis): void;
}

/** The offers and answers of one call after the first, between its phone and its agent: one at a time (RFC 3264). */
export class CallExchanges {
  readonly #user: ExchangeUser;
  #lastId = 0;
  #now: Exchange | undefined;
  /** The agent wants to offer as soon as the line is free. */
  #wanted = false;
  /** The agent is to be left as soon as the line is free. */
  #leaving = false;
  /** Our newest description. */
  #ours: string | undefined;
  #agentBy: Millis = NEVER;
  /** There is a new leg, and the phone has yet to hear of it: until then, should it say "not now". */
  #moveBy: Millis = NEVER;
  #offerAt: Millis = NEVER;

  constructor(user: ExchangeUser, ours: string | undefined) {
    this.#user = user;
    this.#ours = ours;
  }

  /** Our newest description. */
  get ours(): string | undefined {
    return this.#ours;
  }

  get deadline(): Millis {
    return Math.min(this.#agentBy, this.#offerAt);
  }

  tick(now: Millis): void {
    if (now >= this.#agentBy) this.#agentSilent();
    if (now >= this.#offerAt) {
      this.#offerAt = NEVER;
      this.offerIfWanted(now);
    }
  }

  /** The call has ended. */
  stop(): void {
    this.#agentBy = this.#offerAt = NEVER;
  }

  /** The agent wants to offer; `offerIfWanted` begins it. */
  want(): void {
    this.#wanted = true;
  }

  /** The agent is to be left; `offerIfWanted` begins it. */
  leave(): void {
    this.#leaving = true;
  }

  /** A free line is used for what waits for it. */
  offerIfWanted(now: Millis): void {
    if (!this.#user.isUp() || this.#now !== undefined) return;
    if (this.#leaving) return this.#user.relocate(MOVED, now);
    if (!this.#wanted) return;
    this.#wanted = false;
    const why = this.#moveBy === NEVER ? 'refresh' : 'migrate';
    this.#tell({ type: 'make-offer', id: this.#begin('us', false, now), why });
  }

  describe(type: 'answer' | 'reinvite', sdp: string): void {
    this.#ours = sdp;
    this.#user.do({ type, sdp });
  }

  // ---------------------------------------------------------------- what the phone says

  peerOffers(sdp: string | undefined, now: Millis): void {
    if (this.#now !== undefined) {
      // Ours is still between agent and front: it gives way, and is asked for again afterwards.
      this.#tell({ type: 'rollback', id: this.#now.id });
      this.#wanted = true;
    }
    const id = this.#begin('peer', sdp === undefined, now);
    this.#tell(
      sdp === undefined
        ? { type: 'make-offer', id, why: 'offerless' }
        : { type: 'offer', id, native: sipNative(sdp) },
    );
  }

  /** The ACK of a re-INVITE, or the 200 to ours. */
  finished(sdp: string | undefined, now: Millis): void {
    const x = this.#now;
    if (x === undefined) return;
    if (x.by === 'us' || x.offerless) {
      if (sdp === undefined) return this.rollback(now);
      this.#tell({ type: 'answer', id: x.id, native: sipNative(sdp) });
    }
    this.#settle();
    if (this.#moveBy !== NEVER) {
      this.#moveBy = this.#offerAt = NEVER;
      this.#user.confirmed();
    }
    this.offerIfWanted(now);
  }

  rerefused(status: number, now: Millis): void {
    const glare = status === 491; // the peer's own offer came first
    if (this.#moveBy !== NEVER) {
      // The session cannot stay as it was: nobody is there any more.
      if (!glare || now >= this.#moveBy) return this.#user.hangUp(notMoved(status));
      this.#offerAt = now + MOVE_AGAIN_MS;
    }
    this.#wanted ||= glare;
    return this.rollback(glare ? NEVER : now);
  }

  /** The exchange came to nothing; the session stays as it was. `now` NEVER: do not offer again at once. */
  rollback(now: Millis): void {
    if (this.#now !== undefined) this.#tell({ type: 'rollback', id: this.#now.id });
    this.#settle();
    if (now !== NEVER) this.offerIfWanted(now);
  }

  // ---------------------------------------------------------------- what the agent says

  described(id: number, sdp: string | undefined): void {
    const x = this.#now;
    if (x === undefined || x.id !== id || x.described || sdp === undefined) return;
    x.described = true;
    this.#agentBy = NEVER;
    this.describe(x.by === 'peer' ? 'answer' : 'reinvite', sdp);
  }

  agentRefused(id: number, why: Termination, now: Millis): void {
    if (id === 0) {
      // Our offer was answered in the ACK, and not to the agent's liking: there is no session to go on with.
      return this.#user.hangUp(why);
    }
    if (this.#now?.id !== id) return;
    if (this.#now.by === 'peer') this.#user.do({ type: 'reject', why });
    else if (this.#moveBy !== NEVER) return this.#user.hangUp(why);
    this.#settle();
    this.offerIfWanted(now);
  }

  #agentSilent(): void {
    if (this.#moveBy !== NEVER && this.#now?.by === 'us') return this.#user.hangUp(AGENT_SILENT);
    if (this.#now?.by === 'peer') this.#user.do({ type: 'reject', why: AGENT_SILENT });
    this.rollback(NEVER);
  }

  /** Whatever was under way is over with its agent. */
  agentLost(): void {
    const x = this.#now;
    if (x?.by === 'peer' && !x.described) this.#user.do({ type: 'reject', why: BETWEEN_AGENTS });
    this.#settle();
  }

  /** There is no agent just now. */
  betweenAgents(): void {
    this.#leaving = false;
    this.#moveBy = this.#offerAt = NEVER;
  }

  /** To the phone with what the new agent has to say. */
  moved(sdp: string, now: Millis): void {
    this.#now = { id: 0, by: 'us', offerless: false, described: true };
    this.#moveBy = now + MOVE_MS;
    this.describe('reinvite', sdp);
  }

  // ----------------------------------------------------------------

  #begin(by: Exchange['by'], offerless: boolean, now: Millis): number {
    const id = ++this.#lastId;
    this.#now = { id, by, offerless, described: false };
    this.#agentBy = now + AGENT_MS;
    return id;
  }

  #settle(): void {
    this.#now = undefined;
    this.#agentBy = NEVER;
  }

  #tell(command: LegCommand): void {
    this.#user.do({ type: 'leg', command });
  }
}
