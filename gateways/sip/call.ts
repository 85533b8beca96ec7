import type { LegCommand, LegEvent, Millis, Termination } from '../../src/contract.ts';
import { type Core, NEVER, type Tick } from '../../src/kit/core.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import { AGENT_SILENT, NO_ANSWER, NO_PLACE, terminationOfEnd, WITHDRAWN } from './call-ends.ts';
import { readDtmfInfo } from './front-dtmf.ts';
import { asksForPicture, PICTURE_FAST_UPDATE } from './front-picture.ts';
import { readSdp, sipNative } from './native.ts';

/** A caller who waits longer than this hears ringing. */
const RING_AFTER_MS = 300;
/** Give up on placement after this long; the caller hears 480. */
const PLACE_MS = 10_000;
/** An agent that says nothing to an offer for this long has refused it. */
const AGENT_MS = 8_000;

export type CallIn =
  | { readonly type: 'begin' }
  | { readonly type: 'placed' }
  | { readonly type: 'unplaced'; readonly why: Termination }
  | { readonly type: 'leg'; readonly event: LegEvent }
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
  | { readonly type: 'leg'; readonly command: LegCommand };

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
 * `up`: ACK came. `ended`: only late words are heard, and ignored.
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

  constructor(offerless: boolean) {
    this.#offerless = offerless;
  }

  get deadline(): Millis {
    return Math.min(this.#ringAt, this.#giveUpAt);
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
        return this.#talking(input, now);
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
    this.#do({ type: 'answer', sdp: this.#description });
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
    this.#over();
  }

  #talking(input: CallIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'tick':
        if (now >= this.#giveUpAt) this.#agentSilent();
        return;
      case 'close':
        this.#do({ type: 'hangup', why: input.why });
        return this.#closeLeg(input.why);
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
        this.#wanted ||= e.status === 491; // the peer's own offer came first
        return this.#rollback(e.status === 491 ? NEVER : now);
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
        this.#do({ type: 'hangup', why: e.why });
        return this.#over();
      case 'want-offer':
        this.#wanted = true;
        return this.#offerIfWanted(now);
      case 'keyframe-by-signalling':
        return this.#do({ type: 'info', ...PICTURE_FAST_UPDATE });
      case 'description': {
        const x = this.#exchange;
        const sdp = readSdp(e.native);
        if (x === undefined || x.id !== e.id || x.described || sdp === undefined) return;
        x.described = true;
        this.#giveUpAt = NEVER;
        this.#do(x.by === 'peer' ? { type: 'answer', sdp } : { type: 'reinvite', sdp });
        return;
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
      if (sdp === undefined) {
        this.#do({ type: 'hangup', why: NO_ANSWER });
        return this.#closeLeg(NO_ANSWER);
      }
      this.#tell({ type: 'answer', id: 0, native: sipNative(sdp) });
    }
    this.#tell({ type: 'confirmed' });
    this.#offerIfWanted(now);
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
    if (!this.#wanted || this.state !== 'up' || this.#exchange !== undefined) return;
    this.#wanted = false;
    this.#tell({ type: 'make-offer', id: this.#begin('us', false, now), why: 'refresh' });
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
    this.#offerIfWanted(now);
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
      this.#do({ type: 'hangup', why });
      return this.#closeLeg(why);
    }
    if (this.#exchange?.id !== id) return;
    if (this.#exchange.by === 'peer') this.#do({ type: 'reject', why });
    this.#settle();
    this.#offerIfWanted(now);
  }

  #agentSilent(): void {
    if (this.#exchange?.by === 'peer') this.#do({ type: 'reject', why: AGENT_SILENT });
    this.#rollback(NEVER);
  }

  #settle(): void {
    this.#exchange = undefined;
    this.#giveUpAt = NEVER;
  }

  #closeLeg(why: Termination): void {
    this.#tell({ type: 'close', why });
    this.#over();
  }

  #over(): void {
    this.state = 'ended';
    this.#ringAt = this.#giveUpAt = NEVER;
  }

  #tell(command: LegCommand): void {
    this.#do({ type: 'leg', command });
  }

  #do(...out: CallOut[]): void {
    this.#out.push(...out);
  }
}
