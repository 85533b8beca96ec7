import type { LegCommand, LegEvent, Millis, Termination } from '../../src/contract.ts';
import { type Core, NEVER, type Tick } from '../../src/kit/core.ts';
import type { SipMessage } from '../../src/proto/sip/message.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import {
  AGENT_SILENT,
  BETWEEN_AGENTS,
  MOVED,
  NO_ANSWER,
  NO_PLACE,
  notMoved,
  terminationOfEnd,
  WITHDRAWN,
} from './call-ends.ts';
import type { OfLeg } from './call-leg.ts';
import { readDtmfInfo } from './front-dtmf.ts';
import { asksForPicture, PICTURE_FAST_UPDATE } from './front-picture.ts';
import { readSdp, sipNative } from './native.ts';
import { Relocation } from './relocation.ts';
import { Texts, type TextsOut } from './texts.ts';

/** A caller who waits longer than this hears ringing. */
const RING_AFTER_MS = 300;
/** Give up on placement after this long; the caller hears 480. */
const PLACE_MS = 10_000;
/** An agent that says nothing to an offer for this long has refused it. */
const AGENT_MS = 8_000;
/** The phone's "not now" to the description of a new agent: asked again after so long, until so long after the first. */
const MOVE_AGAIN_MS = 1000;
const MOVE_MS = 20_000;

export type CallIn =
  | { readonly type: 'begin' }
  | OfLeg
  | { readonly type: 'sip'; readonly event: Parameters<OnCall>[0] }
  | { readonly type: 'close'; readonly why: Termination };

export type CallOut =
  | { readonly type: 'ring' }
  | { readonly type: 'answer' | 'reinvite'; readonly sdp: string }
  /** To the INVITE or re-INVITE that waits. */
  | { readonly type: 'reject'; readonly why: Termination }
  | { readonly type: 'info'; readonly contentType: string; readonly content: string }
  | { readonly type: 'hangup'; readonly why: Termination }
  /** Whatever `place` has begun is to be undone. */
  | { readonly type: 'abort' }
  /** On another agent, which goes on from `before`, our newest description; answered by `placed` or `unplaced`. */
  | {
      readonly type: 'place-again';
      readonly why: string;
      readonly before: string | undefined;
      readonly held: boolean;
    }
  | { readonly type: 'leg'; readonly command: LegCommand }
  | TextsOut;

/** An offer/answer exchange under way after the first. */
interface Exchange {
  readonly id: number;
  readonly by: 'peer' | 'us';
  /** The peer asked us to offer: its answer comes in the ACK. */
  readonly offerless: boolean;
  /** The agent has spoken; the rest is between the phones. */
  described: boolean;
}

/**
 * One inbound call between its phone and its leg. `placing`: the platform looks for an agent. `answered`: 200 is out.
 * `up`: ACK came. `ended`: only late words are heard, and ignored. Whose agent dies goes on with another one.
 */
export class FrontCall implements Core<CallIn, CallOut> {
  state: 'placing' | 'answered' | 'up' | 'ended' = 'placing';
  readonly #offerless: boolean;
  readonly #out: CallOut[] = [];
  #ringAt: Millis = NEVER;
  #giveUpAt: Millis = NEVER;
  #placed = false;
  #description: string | undefined;
  #lastId = 0;
  #exchange: Exchange | undefined;
  /** The agent wants to offer as soon as the line is free. */
  #wanted = false;
  /** Our newest description. */
  #ours: string | undefined;
  /** The phone holds the call. */
  #held = false;
  /** The agent is to be left as soon as the line is free. */
  #leaving = false;
  /** The agent has died or is to be left, and another is sought. */
  #relocation: Relocation | undefined;
  /** There is a new leg, and the phone has yet to hear of it: until then, should it say "not now". */
  #moveBy: Millis = NEVER;
  #offerAt: Millis = NEVER;
  #why: Termination | undefined;
  readonly #texts: Texts;

  /** `ours`: of a call that was answered already, what we offered. `peer`: the phone's INVITE, or its 200 to ours. */
  constructor(offerless: boolean, ours?: string, peer?: SipMessage) {
    this.#offerless = offerless;
    this.#ours = ours;
    this.#texts = new Texts(peer, out => this.#do(out));
  }

  /** What ended it. */
  get why(): Termination | undefined {
    return this.#why;
  }

  get deadline(): Millis {
    return Math.min(this.#ringAt, this.#giveUpAt, this.#offerAt, this.#relocation?.deadline ?? NEVER);
  }

  poll(): CallOut | undefined {
    return this.#out.shift();
  }

  handle(input: CallIn | Tick, now: Millis): void {
    switch (this.state) {
      case 'placing':
        return this.#placing(input, now);
      case 'answered':
      case 'up':
        if (input.type === 'sip' || input.type === 'leg')
          if (this.#texts.handle(input, this.#relocation !== undefined, now)) return;
        return this.#relocation === undefined
          ? this.#talking(input, now)
          : this.#relocating(this.#relocation, input, now);
      case 'ended':
        return;
    }
  }

  #placing(input: CallIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'begin':
        this.#ringAt = now + RING_AFTER_MS;
        this.#giveUpAt = now + PLACE_MS;
        return;
      case 'tick':
        if (now >= this.#giveUpAt) return this.#refuse(NO_PLACE);
        if (now >= this.#ringAt) {
          this.#ringAt = NEVER;
          this.#do({ type: 'ring' });
        }
        return;
      case 'placed':
        this.#placed = true;
        return this.#answer();
      case 'unplaced':
      case 'close':
        return this.#refuse(input.why);
      case 'sip':
        // CANCEL, or the phone is gone: 487 is sent below us.
        if (input.event.type !== 'cancelled' && input.event.type !== 'ended') return;
        return this.#undo(WITHDRAWN);
      case 'leg': {
        const { event } = input;
        if (event.type === 'description' && event.id === 0) {
          this.#description = readSdp(event.native);
          return this.#answer();
        }
        if (event.type === 'want-offer') this.#wanted = true;
        if (event.type === 'refused' || event.type === 'closed') this.#refuse(event.why);
      }
    }
  }

  /** Both must be there: a leg to talk to, and what to say. */
  #answer(): void {
    if (!this.#placed || this.#description === undefined) return;
    this.state = 'answered';
    this.#ringAt = this.#giveUpAt = NEVER;
    this.#describe('answer', this.#description);
    this.#description = undefined;
  }

  #refuse(why: Termination): void {
    this.#do({ type: 'reject', why });
    this.#undo(why);
  }

  /** Gives back what placing has got so far. */
  #undo(why: Termination): void {
    this.#do({ type: 'abort' });
    if (this.#placed) this.#tell({ type: 'close', why });
    this.#over(why);
  }

  #talking(input: CallIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'tick':
        if (now >= this.#giveUpAt) this.#agentSilent();
        if (now >= this.#offerAt) {
          this.#offerAt = NEVER;
          this.#offerIfWanted(now);
        }
        return;
      case 'close':
        return this.#hangUp(input.why);
      case 'leg':
        return this.#onLeg(input.event, now);
      case 'sip':
        return this.#onSip(input.event, now);
      default:
        return;
    }
  }

  #onSip(e: Parameters<OnCall>[0], now: Millis): void {
    switch (e.type) {
      case 'confirmed':
        return this.state === 'answered' ? this.#up(e.sdp, now) : this.#finished(e.sdp, now);
      case 'offer':
        return this.#peerOffers(e.sdp, now);
      case 'withdrawn':
        return this.#rollback(now);
      case 'reanswered':
        return this.#finished(e.sdp, now);
      case 'rerefused':
        return this.#rerefused(e.status, now);
      case 'info': {
        const key = readDtmfInfo(e.contentType, e.content);
        if (key !== undefined) this.#tell({ type: 'dtmf', ...key });
        else if (asksForPicture(e.contentType, e.content)) this.#tell({ type: 'keyframe' });
        return;
      }
      case 'ended':
        return this.#closeLeg(terminationOfEnd(e.by, e.reason));
      default:
        return;
    }
  }

  #onLeg(e: LegEvent, now: Millis): void {
    switch (e.type) {
      case 'closed':
        if (e.why.reason === 'agent-lost') return this.#agentLost(e.why, now);
        this.#do({ type: 'hangup', why: e.why });
        return this.#over(e.why);
      case 'hold':
        this.#held = e.by === 'peer';
        return;
      case 'want-offer':
        this.#wanted = true;
        return this.#offerIfWanted(now);
      case 'move':
        this.#leaving = true;
        return this.#offerIfWanted(now);
      case 'keyframe-by-signalling':
        return this.#do({ type: 'info', ...PICTURE_FAST_UPDATE });
      case 'description': {
        const x = this.#exchange;
        const sdp = readSdp(e.native);
        if (x === undefined || x.id !== e.id || x.described || sdp === undefined) return;
        x.described = true;
        this.#giveUpAt = NEVER;
        return this.#describe(x.by === 'peer' ? 'answer' : 'reinvite', sdp);
      }
      case 'refused':
        return this.#agentRefused(e.id, e.why, now);
      default:
        return;
    }
  }

  /** The first ACK. */
  #up(sdp: string | undefined, now: Millis): void {
    this.state = 'up';
    if (this.#offerless) {
      if (sdp === undefined) return this.#hangUp(NO_ANSWER);
      this.#tell({ type: 'answer', id: 0, native: sipNative(sdp) });
    }
    this.confirmed();
    this.#offerIfWanted(now);
  }

  /** Both sides agree: the leg may begin. */
  confirmed(): void {
    this.#tell({ type: 'confirmed' });
    this.#texts.begin();
  }

  #peerOffers(sdp: string | undefined, now: Millis): void {
    if (this.#exchange !== undefined) {
      // Ours is still between agent and front: it gives way, and is asked for again afterwards.
      this.#tell({ type: 'rollback', id: this.#exchange.id });
      this.#wanted = true;
    }
    const id = this.#begin('peer', sdp === undefined, now);
    this.#tell(
      sdp === undefined
        ? { type: 'make-offer', id, why: 'offerless' }
        : { type: 'offer', id, native: sipNative(sdp) },
    );
  }

  #offerIfWanted(now: Millis): void {
    if (this.state !== 'up' || this.#exchange !== undefined) return;
    if (this.#leaving) return this.#relocate(MOVED, now);
    if (!this.#wanted) return;
    this.#wanted = false;
    const why = this.#moveBy === NEVER ? 'refresh' : 'migrate';
    this.#tell({ type: 'make-offer', id: this.#begin('us', false, now), why });
  }

  #begin(by: Exchange['by'], offerless: boolean, now: Millis): number {
    const id = ++this.#lastId;
    this.#exchange = { id, by, offerless, described: false };
    this.#giveUpAt = now + AGENT_MS;
    return id;
  }

  /** The ACK of a re-INVITE, or the 200 to ours. */
  #finished(sdp: string | undefined, now: Millis): void {
    const x = this.#exchange;
    if (x === undefined) return;
    if (x.by === 'us' || x.offerless) {
      if (sdp === undefined) return this.#rollback(now);
      this.#tell({ type: 'answer', id: x.id, native: sipNative(sdp) });
    }
    this.#settle();
    if (this.#moveBy !== NEVER) {
      this.#moveBy = this.#offerAt = NEVER;
      this.confirmed();
    }
    this.#offerIfWanted(now);
  }

  #rerefused(status: number, now: Millis): void {
    const glare = status === 491; // the peer's own offer came first
    if (this.#moveBy !== NEVER) {
      // The session cannot stay as it was: nobody is there any more.
      if (!glare || now >= this.#moveBy) return this.#hangUp(notMoved(status));
      this.#offerAt = now + MOVE_AGAIN_MS;
    }
    this.#wanted ||= glare;
    return this.#rollback(glare ? NEVER : now);
  }

  /** The exchange came to nothing; the session stays as it was. `now` NEVER: do not offer again at once. */
  #rollback(now: Millis): void {
    if (this.#exchange !== undefined) this.#tell({ type: 'rollback', id: this.#exchange.id });
    this.#settle();
    if (now !== NEVER) this.#offerIfWanted(now);
  }

  #agentRefused(id: number, why: Termination, now: Millis): void {
    if (id === 0) {
      // Our offer was answered in the ACK, and not to the agent's liking: there is no session to go on with.
      return this.#hangUp(why);
    }
    if (this.#exchange?.id !== id) return;
    if (this.#exchange.by === 'peer') this.#do({ type: 'reject', why });
    else if (this.#moveBy !== NEVER) return this.#hangUp(why);
    this.#settle();
    this.#offerIfWanted(now);
  }

  #agentSilent(): void {
    if (this.#moveBy !== NEVER && this.#exchange?.by === 'us') return this.#hangUp(AGENT_SILENT);
    if (this.#exchange?.by === 'peer') this.#do({ type: 'reject', why: AGENT_SILENT });
    this.#rollback(NEVER);
  }

  #settle(): void {
    this.#exchange = undefined;
    this.#giveUpAt = NEVER;
  }

  // ---------------------------------------------------------------- on another agent

  #agentLost(why: Termination, now: Millis): void {
    const x = this.#exchange;
    if (x?.by === 'peer' && !x.described) this.#do({ type: 'reject', why: BETWEEN_AGENTS });
    this.#settle();
    this.#relocate(why, now);
  }

  #relocate(why: Termination, now: Millis): void {
    this.#leaving = false;
    this.#moveBy = this.#offerAt = NEVER;
    this.#relocation = new Relocation(why, now);
    this.#seek(this.#relocation, now);
  }

  #seek(r: Relocation, now: Millis): void {
    switch (r.due(now)) {
      case 'ask':
        return this.#do({ type: 'place-again', why: r.why.reason, before: this.#ours, held: this.#held });
      case 'give-up':
        return this.#giveUp(r.why);
    }
  }

  #relocating(r: Relocation, input: CallIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'tick':
        return this.#seek(r, now);
      case 'placed':
        r.placed = true;
        return this.#move(r, now);
      case 'unplaced':
        if (input.stays) {
          this.#relocation = undefined;
          return this.#offerIfWanted(now);
        }
        // What the caller may not, no other agent can grant.
        if (input.why.blame === 'client') return this.#giveUp(input.why);
        return r.failed(now);
      case 'leg':
        return this.#onNewLeg(r, input.event, now);
      case 'sip':
        return this.#onSipBetween(r, input.event, now);
      case 'close':
        return this.#giveUp(input.why);
      default:
        return;
    }
  }

  #onNewLeg(r: Relocation, e: LegEvent, now: Millis): void {
    if (e.type === 'description' && e.id === 0) {
      r.description = readSdp(e.native);
      return this.#move(r, now);
    }
    if (e.type === 'want-offer') this.#wanted = true;
    if (e.type !== 'closed' || !r.placed) return; // one that was never placed is told as `unplaced`
    if (e.why.reason === 'agent-lost') r.failed(now);
    else this.#giveUp(e.why);
  }

  #onSipBetween(r: Relocation, e: Parameters<OnCall>[0], now: Millis): void {
    switch (e.type) {
      case 'confirmed':
        this.state = 'up';
        return this.#move(r, now);
      case 'offer':
        return this.#do({ type: 'reject', why: BETWEEN_AGENTS });
      case 'ended':
        this.#do({ type: 'abort' });
        return this.#closeLeg(terminationOfEnd(e.by, e.reason));
    }
  }

  /** To the phone with what the new leg has to say, once there is one and the phone may be asked. */
  #move(r: Relocation, now: Millis): void {
    if (!r.placed || r.description === undefined || this.state !== 'up') return;
    this.#relocation = undefined;
    this.#exchange = { id: 0, by: 'us', offerless: false, described: true };
    this.#moveBy = now + MOVE_MS;
    this.#describe('reinvite', r.description);
  }

  #giveUp(why: Termination): void {
    this.#do({ type: 'abort' });
    this.#hangUp(why);
  }

  // ---------------------------------------------------------------- the end, and the words

  #hangUp(why: Termination): void {
    this.#do({ type: 'hangup', why });
    this.#closeLeg(why);
  }

  #closeLeg(why: Termination): void {
    this.#tell({ type: 'close', why });
    this.#over(why);
  }

  #over(why: Termination): void {
    this.state = 'ended';
    this.#why = why;
    this.#relocation = undefined;
    this.#ringAt = this.#giveUpAt = this.#offerAt = NEVER;
  }

  #describe(type: 'answer' | 'reinvite', sdp: string): void {
    this.#ours = sdp;
    this.#do({ type, sdp });
  }

  #tell(command: LegCommand): void {
    this.#do({ type: 'leg', command });
  }

  #do(...out: CallOut[]): void {
    this.#out.push(...out);
  }
}
