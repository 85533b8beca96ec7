import type { DialStep, LegCommand, LegEvent, Millis, Termination } from '../../src/contract.ts';
import { type Core, NEVER, type Tick } from '../../src/kit/core.ts';
import { tagOf } from '../../src/proto/sip/address.ts';
import type { SipMessage } from '../../src/proto/sip/message.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import { FrontCall } from './call.ts';
import { HUNG_UP, NO_ANSWER, NO_PLACE, terminationOfEnd } from './call-ends.ts';
import type { CallOut } from './call-steps.ts';
import { readSdp, sipNative } from './native.ts';
import { failureOf, NOT_YET, progressText, RANG_OUT, TOO_MANY_REDIRECTS } from './outgoing-words.ts';

/** Placing the leg and finding the addresses may take this long together. */
const PREPARE_MS = 15_000;
const MAX_REDIRECTS = 5;
/** Early dialogs whose description is kept in case their 200 has none. */
const MAX_FORKS = 16;

/** What came from a hop: an answer of whatever kind, one that sends us elsewhere, or nothing. */
export type Heard = 'service' | 'no-service' | 'nothing';

/** One address an INVITE may go to. */
export interface HopName {
  /** For people: `proxy.example (192.0.2.1:5060 udp)`. */
  readonly name: string;
  readonly hasPassword: boolean;
}

type SipEvent = Parameters<OnCall>[0];

export type OutgoingIn<H extends HopName> =
  | { readonly type: 'begin' }
  | { readonly type: 'placed' }
  | { readonly type: 'unplaced'; readonly why: Termination }
  /** Where it may go, the best first. */
  | { readonly type: 'located'; readonly hops: readonly H[] }
  | { readonly type: 'unlocated'; readonly why: Termination }
  | { readonly type: 'leg'; readonly event: LegEvent }
  | { readonly type: 'sip'; readonly attempt: number; readonly event: SipEvent }
  | { readonly type: 'close'; readonly why: Termination };

export type OutgoingOut<H extends HopName> =
  | CallOut
  | { readonly type: 'invite'; readonly attempt: number; readonly hop: H; readonly sdp: string }
  /** CANCEL; or ACK and BYE, should its 200 be on the way. */
  | { readonly type: 'withdraw'; readonly attempt: number }
  /** Answered by `located` or `unlocated`. */
  | { readonly type: 'redirected'; readonly uris: readonly string[] }
  /** What became of one hop. */
  | { readonly type: 'heard'; readonly hop: H; readonly status: number; readonly heard: Heard }
  | { readonly type: 'step'; readonly step: Omit<DialStep, 'at'> };

export interface OutgoingOptions {
  /** A hop that says nothing for this long is passed over. */
  readonly tryNextAfterMs: Millis;
  readonly ringMs: Millis;
}

/**
 * One call out of a room. `placing`: a leg is sought, and addresses. `calling`: an INVITE is out, to one hop after the
 * other (RFC 3263 §4.3). `talking`: answered; from here on it is a call like any other. `ended`: nothing is heard.
 */
export class OutgoingCallCore<H extends HopName> implements Core<OutgoingIn<H>, OutgoingOut<H>> {
  state: 'placing' | 'calling' | 'talking' | 'ended' = 'placing';
  readonly #o: OutgoingOptions;
  readonly #out: OutgoingOut<H>[] = [];
  #talk: FrontCall | undefined;
  #placed = false;
  #offer: string | undefined;
  #hops: H[] | undefined;
  #attempt = 0;
  #hop: H | undefined;
  #redirects = 0;
  /** The present attempt got more than a 100: somebody's phone has it. */
  #rang = false;
  #tryNextAt: Millis = NEVER;
  #giveUpAt: Millis = NEVER;
  /** To tag of an early dialog → its description. */
  readonly #early = new Map<string, string>();

  constructor(options: OutgoingOptions) {
    this.#o = options;
  }

  get deadline(): Millis {
    return Math.min(this.#tryNextAt, this.#giveUpAt, this.#talk?.deadline ?? NEVER);
  }

  poll(): OutgoingOut<H> | undefined {
    return this.#out.shift() ?? this.#talk?.poll();
  }

  handle(input: OutgoingIn<H> | Tick, now: Millis): void {
    switch (this.state) {
      case 'placing':
        return this.#placing(input, now);
      case 'calling':
        return this.#calling(input, now);
      case 'talking':
        return this.#talking(input, now);
      case 'ended':
        return;
    }
  }

  #placing(input: OutgoingIn<H> | Tick, now: Millis): void {
    switch (input.type) {
      case 'begin':
        this.#giveUpAt = now + PREPARE_MS;
        return;
      case 'tick':
        if (now >= this.#giveUpAt) this.#fail(this.#placed ? RANG_OUT(this.#o.ringMs / 1000) : NO_PLACE);
        return;
      case 'placed':
        this.#placed = true;
        return this.#begin(now);
      case 'located':
        this.#hops = [...input.hops];
        return this.#begin(now);
      case 'unlocated':
      case 'unplaced':
      case 'close':
        return this.#fail(input.why);
      case 'leg':
        return this.#legWhilePreparing(input.event, now);
      case 'sip':
        return;
    }
  }

  #legWhilePreparing(e: LegEvent, now: Millis): void {
    if (e.type === 'description' && e.id === 0) {
      this.#offer = readSdp(e.native);
      this.#begin(now);
    } else if (e.type === 'closed' || (e.type === 'refused' && e.id === 0)) this.#fail(e.why);
  }

  /** A leg, what it has to say, and somewhere to say it: all must be there. */
  #begin(now: Millis): void {
    if (!this.#placed || this.#offer === undefined || this.#hops === undefined) return;
    if (this.state === 'placing' && this.#redirects === 0) this.#giveUpAt = now + this.#o.ringMs;
    this.state = 'calling';
    this.#next(undefined, now);
  }

  /** On to the next hop; without one the call has failed with `why`. */
  #next(why: { readonly status: number; readonly why: Termination } | undefined, now: Millis): void {
    const hop = this.#hops?.shift();
    if (hop === undefined) return this.#fail(why?.why ?? NO_PLACE, why?.status);
    const because = why === undefined ? '' : `${why.why.text ?? why.why.reason} `;
    this.#step(
      'calling',
      `${because}${why === undefined ? 'Calling' : 'Going on'} through ${hop.name}.`,
      why?.status,
    );
    this.#hop = hop;
    this.#attempt++;
    this.#rang = false;
    this.#early.clear();
    this.#tryNextAt = now + this.#o.tryNextAfterMs;
    this.#do({ type: 'invite', attempt: this.#attempt, hop, sdp: this.#offer as string });
  }

  #calling(input: OutgoingIn<H> | Tick, now: Millis): void {
    switch (input.type) {
      case 'tick':
        if (now >= this.#giveUpAt) {
          this.#do({ type: 'withdraw', attempt: this.#attempt });
          return this.#fail(RANG_OUT(this.#o.ringMs / 1000), 408);
        }
        if (now >= this.#tryNextAt) this.#silent(now);
        return;
      case 'close':
        this.#do({ type: 'withdraw', attempt: this.#attempt });
        return this.#fail(input.why, 487);
      case 'leg':
        // A refused early answer is no end: the one that counts may be better.
        if (input.event.type !== 'closed') return;
        this.#do({ type: 'withdraw', attempt: this.#attempt });
        return this.#fail(input.event.why, 487);
      case 'sip':
        if (input.attempt === this.#attempt) this.#sip(input.event, now);
        return;
      default:
        return;
    }
  }

  /** Not even a 100: the hop is dead, or nothing gets there and back. */
  #silent(now: Millis): void {
    this.#tryNextAt = NEVER;
    if (this.#hops?.length === 0) return; // the last one has all the time there is
    this.#do({ type: 'withdraw', attempt: this.#attempt });
    const seconds = this.#o.tryNextAfterMs / 1000;
    const text = `${this.#hop?.name} said nothing for ${seconds} s.`;
    this.#do({ type: 'heard', hop: this.#hop as H, status: 408, heard: 'nothing' });
    this.#next({ status: 408, why: { blame: 'upstream', reason: 'no-answer', text } }, now);
  }

  #sip(e: SipEvent, now: Millis): void {
    switch (e.type) {
      case 'trying':
        this.#tryNextAt = NEVER;
        return;
      case 'progress':
        this.#tryNextAt = NEVER;
        this.#rang = true;
        return this.#progress(e.status, e.sdp, e.toTag);
      case 'answered':
        return this.#answered(e.sdp ?? this.#early.get(tagOf(e.response.to) ?? ''), e.response);
      case 'offer':
        return this.#do({ type: 'reject', why: NOT_YET });
      case 'failed':
        return this.#failed(e, now);
      case 'ended':
        return this.#fail(terminationOfEnd(e.by, e.reason));
      default:
        return;
    }
  }

  /** RFC 3261 §13.2.2.1, RFC 3960: what an early dialog describes is played; of several the last one. */
  #progress(status: number, sdp: string | undefined, toTag: string | undefined): void {
    const known = toTag === undefined ? undefined : this.#early.get(toTag);
    if (sdp !== undefined && sdp !== known) {
      if (toTag !== undefined && (known !== undefined || this.#early.size < MAX_FORKS))
        this.#early.set(toTag, sdp);
      this.#tell({ type: 'answer', id: 0, native: sipNative(sdp), early: true });
    }
    this.#step(
      sdp === undefined && this.#early.size === 0 ? 'ringing' : 'early',
      progressText(status, sdp !== undefined),
      status,
    );
  }

  #answered(sdp: string | undefined, response: SipMessage): void {
    this.#tryNextAt = this.#giveUpAt = NEVER;
    this.#do({ type: 'heard', hop: this.#hop as H, status: 200, heard: 'service' });
    this.#step('up', `Answered through ${this.#hop?.name}.`, 200);
    this.state = 'talking';
    this.#talk = new FrontCall(false, this.#offer, response);
    this.#talk.state = 'up';
    if (sdp === undefined) return this.#talking({ type: 'close', why: NO_ANSWER }, 0);
    this.#tell({ type: 'answer', id: 0, native: sipNative(sdp) });
    this.#talk.confirmed();
  }

  #failed(e: Extract<SipEvent, { type: 'failed' }>, now: Millis): void {
    const { status, response } = e;
    const hop = this.#hop as H;
    // RFC 3263 §4.3: the next one is tried after a transport failure, a timeout or a 503; not when a phone has rung.
    const unserved = (status === 503 || status === 408) && !this.#rang;
    const heard: Heard = response === undefined ? 'nothing' : unserved ? 'no-service' : 'service';
    this.#do({ type: 'heard', hop, status, heard });
    if (status >= 300 && status < 400 && response !== undefined) return this.#redirected(response);
    const why = failureOf(status, e.reason, response, hop.name, hop.hasPassword);
    if (unserved) return this.#next({ status, why }, now);
    this.#fail(why, status);
  }

  /** §8.1.3.4: the Contacts of a 3xx are where to try next. */
  #redirected(response: NonNullable<Extract<SipEvent, { type: 'failed' }>['response']>): void {
    const { status } = response;
    if (++this.#redirects > MAX_REDIRECTS) return this.#fail(TOO_MANY_REDIRECTS, status);
    const uris = (response.headers.list('contact') ?? []).slice(0, MAX_FORKS).flatMap(c => {
      const uri = /<([^>]+)>/.exec(c)?.[1] ?? c.split(';', 1)[0];
      return uri === undefined || uri.trim() === '' ? [] : [uri.trim()];
    });
    this.#step('calling', `Redirected to ${uris.join(', ') || 'nowhere'}.`, status);
    this.state = 'placing';
    this.#hops = undefined;
    this.#tryNextAt = NEVER;
    this.#do({ type: 'redirected', uris });
  }

  #talking(input: OutgoingIn<H> | Tick, now: Millis): void {
    const talk = this.#talk as FrontCall;
    if (input.type === 'sip') {
      if (input.attempt !== this.#attempt) return;
      talk.handle({ type: 'sip', event: input.event }, now);
    } else if (input.type !== 'located' && input.type !== 'unlocated') talk.handle(input, now);
    if (talk.state === 'ended') this.#over(talk.why ?? HUNG_UP);
  }

  /** Before an answer: everything that was begun is undone. */
  #fail(why: Termination, status?: number): void {
    this.#do({ type: 'abort' });
    if (this.#placed) this.#tell({ type: 'close', why });
    this.#over(why, status);
  }

  #over(why: Termination, status?: number): void {
    this.state = 'ended';
    this.#tryNextAt = this.#giveUpAt = NEVER;
    this.#step('ended', why.text ?? 'The call has ended.', status);
  }

  #tell(command: LegCommand): void {
    this.#do({ type: 'leg', command });
  }

  #step(state: DialStep['state'], text: string, status?: number): void {
    this.#do({ type: 'step', step: { state, text, ...(status !== undefined && { status }) } });
  }

  #do(out: OutgoingOut<H>): void {
    this.#out.push(out);
  }
}
