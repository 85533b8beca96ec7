import type { LegCommand, LegEvent, Millis, Termination } from '../../src/contract.ts';
import { type Core, NEVER, type Tick } from '../../src/kit/core.ts';
import type { SipMessage } from '../../src/proto/sip/message.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import { NO_ANSWER, NO_PLACE, terminationOfEnd, WITHDRAWN } from './call-ends.ts';
import { CallExchanges } from './call-exchange.ts';
import type { CallIn, CallOut } from './call-steps.ts';
import { readDtmfInfo } from './front-dtmf.ts';
import { asksForPicture, PICTURE_FAST_UPDATE } from './front-picture.ts';
import { readSdp, sipNative } from './native.ts';
import { Relocation } from './relocation.ts';
import { Texts } from './texts.ts';

/** A caller who waits longer than this hears ringing. */
const RING_AFTER_MS = 300;
/** Give up on placement after this long; the caller hears 480. */
const PLACE_MS = 10_000;
/**
 * One inbound call between its phone and its leg. `placing`: the platform looks for an agent. `answered`: 200 is out.
 * `up`: ACK came. `ended`: only late words are heard, and ignored. Whose agent dies goes on with another one.
 */
export class FrontCall implements Core<CallIn, CallOut> {
  state: 'placing' | 'answered' | 'up' | 'ended' = 'placing';
  readonly #offerless: boolean;
  readonly #out: CallOut[] = [];
  readonly #exchanges: CallExchanges;
  readonly #texts: Texts;
  #ringAt: Millis = NEVER;
  #placeBy: Millis = NEVER;
  #placed = false;
  #description: string | undefined;
  /** The phone holds the call. */
  #held = false;
  /** The agent has died or is to be left, and another is sought. */
  #relocation: Relocation | undefined;
  #why: Termination | undefined;

  /** `ours`: of a call that was answered already, what we offered. `peer`: the phone's INVITE, or its 200 to ours. */
  constructor(offerless: boolean, ours?: string, peer?: SipMessage) {
    this.#offerless = offerless;
    this.#exchanges = new CallExchanges(
      {
        isUp: () => this.state === 'up',
        do: out => this.#do(out),
        confirmed: () => this.confirmed(),
        hangUp: why => this.#hangUp(why),
        relocate: (why, now) => this.#relocate(why, now),
      },
      ours,
    );
    this.#texts = new Texts(peer, out => this.#do(out));
  }

  /** What ended it. */
  get why(): Termination | undefined {
    return this.#why;
  }

  get deadline(): Millis {
    return Math.min(
      this.#ringAt,
      this.#placeBy,
      this.#exchanges.deadline,
      this.#relocation?.deadline ?? NEVER,
    );
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
        this.#placeBy = now + PLACE_MS;
        return;
      case 'tick':
        if (now >= this.#placeBy) return this.#refuse(NO_PLACE);
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
        if (event.type === 'want-offer') this.#exchanges.want();
        if (event.type === 'refused' || event.type === 'closed') this.#refuse(event.why);
      }
    }
  }

  /** Both must be there: a leg to talk to, and what to say. */
  #answer(): void {
    if (!this.#placed || this.#description === undefined) return;
    this.state = 'answered';
    this.#ringAt = this.#placeBy = NEVER;
    this.#exchanges.describe('answer', this.#description);
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
        return this.#exchanges.tick(now);
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
        return this.state === 'answered' ? this.#up(e.sdp, now) : this.#exchanges.finished(e.sdp, now);
      case 'offer':
        return this.#exchanges.peerOffers(e.sdp, now);
      case 'withdrawn':
        return this.#exchanges.rollback(now);
      case 'reanswered':
        return this.#exchanges.finished(e.sdp, now);
      case 'rerefused':
        return this.#exchanges.rerefused(e.status, now);
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
        this.#exchanges.want();
        return this.#exchanges.offerIfWanted(now);
      case 'move':
        this.#exchanges.leave();
        return this.#exchanges.offerIfWanted(now);
      case 'keyframe-by-signalling':
        return this.#do({ type: 'info', ...PICTURE_FAST_UPDATE });
      case 'description':
        return this.#exchanges.described(e.id, readSdp(e.native));
      case 'refused':
        return this.#exchanges.agentRefused(e.id, e.why, now);
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
    this.#exchanges.offerIfWanted(now);
  }

  /** Both sides agree: the leg may begin. */
  confirmed(): void {
    this.#tell({ type: 'confirmed' });
    this.#texts.begin();
  }

  // ---------------------------------------------------------------- on another agent

  #agentLost(why: Termination, now: Millis): void {
    this.#exchanges.agentLost();
    this.#relocate(why, now);
  }

  #relocate(why: Termination, now: Millis): void {
    this.#exchanges.betweenAgents();
    const before = { ours: this.#exchanges.ours, held: this.#held };
    this.#relocation = new Relocation(why, before, now, out => this.#do(out));
    this.#relocating(this.#relocation, { type: 'tick' }, now);
  }

  #relocating(r: Relocation, input: CallIn | Tick, now: Millis): void {
    if (input.type === 'sip' && input.event.type === 'confirmed') this.state = 'up';
    if (input.type === 'leg' && input.event.type === 'want-offer') this.#exchanges.want();
    const end = r.handle(input, this.state === 'up', now);
    if (end === undefined) return;
    this.#relocation = undefined;
    switch (end.type) {
      case 'moved':
        return this.#exchanges.moved(end.sdp, now);
      case 'stays':
        return this.#exchanges.offerIfWanted(now);
      case 'given-up':
        this.#do({ type: 'abort' });
        return this.#hangUp(end.why);
      case 'ended':
        this.#do({ type: 'abort' });
        return this.#closeLeg(end.why);
    }
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
    this.#ringAt = this.#placeBy = NEVER;
    this.#exchanges.stop();
  }

  #tell(command: LegCommand): void {
    this.#do({ type: 'leg', command });
  }

  #do(out: CallOut): void {
    this.#out.push(out);
  }
}
