import type { Millis } from '../../kit/core.ts';
import type { CallCommand, CallEvent, DialOptions, OutsideRequest, SipInput, SipOutput } from './events.ts';
import type { Flow } from './flow.ts';
import type { SipResponse } from './message.ts';
import type { Replaces } from './replaces.ts';
import type { DialogSnapshot } from './snapshot.ts';
import type { WriterOf } from './stack.ts';
import type { HeaderLine } from './write.ts';

/** What an application does with one call, whichever side began it. A step that comes too late does nothing. */
export interface SipCall {
  readonly id: string;
  /** 101–199 to an INVITE that waits; see the command of that name for when it is sent reliably. */
  progress(status: number, sdp?: string, reliable?: boolean): void;
  /** 200 to the INVITE, re-INVITE, UPDATE or PRACK that waits. */
  answer(sdp: string): void;
  reject(status: number, o?: { reason?: string; headers?: readonly HeaderLine[] }): void;
  /** Our answer to an offer that came in a 2xx. */
  acknowledge(sdp: string): void;
  /** A new offer; null asks the peer for one. 491 and its back-off are dealt with below. */
  reinvite(sdp: string | null, method?: 'INVITE' | 'UPDATE' | 'auto'): void;
  info(contentType: string, content: string): void;
  /** A text to be shown; `messaged` tells its answer, and the next one waits for that (RFC 3428 §8). */
  message(content: string): void;
  /** To the `message` event of that `id`. */
  answerMessage(
    id: number,
    status: number,
    o?: { reason?: string | undefined; headers?: readonly HeaderLine[] | undefined },
  ): void;
  /** Asks the peer to call `to`; `referred` with that `id` tells how it goes. */
  refer(id: string, to: string, o?: { replaces?: Replaces; headers?: readonly HeaderLine[] }): void;
  /** To the `refer` event of that `id`; an accepted one is told how its call goes by `notify`, the last time a final status. */
  acceptRefer(id: number): void;
  refuseRefer(id: number, status: number, o?: { reason?: string; headers?: readonly HeaderLine[] }): void;
  notify(id: number, status: number, reason?: string): void;
  /** BYE, CANCEL or 480, whichever the call's state asks for. */
  hangup(headers?: readonly HeaderLine[]): void;
}

export type Invite = Extract<CallEvent, { type: 'invite' }>;
/** Events of one call, in order; nothing follows `ended`, `failed` or `cancelled`. */
export type OnCall = (e: Exclude<CallEvent, Invite>) => void;

/** One message of a call as it was on the wire. */
export interface CallMessage {
  readonly dir: 'in' | 'out';
  readonly flow: Flow;
  readonly bytes: Buffer;
}

/** The port both backends stand behind. */
export interface SipSignalling {
  dial(o: DialOptions, on: OnCall): SipCall;
  /** OPTIONS; the final status, 408 when nobody answered. */
  ping(to: string): Promise<number>;
  /** A request outside any call and its final answer; 408 or 503 without one. */
  request(request: OutsideRequest, flow: Flow): Promise<OutsideAnswer>;
  /** Pings on a path of ours at most so far apart, until its connection ends (RFC 5626 §4.4); undefined: no more. */
  keepAlive(flow: Flow, everyMs: Millis | undefined): void;
  /** Ends a dialog of a process that is gone; the final status, 408 when nobody answered. */
  bury(snapshot: DialogSnapshot, headers?: readonly HeaderLine[]): Promise<number>;
  /** New calls get 503 from now on. */
  drain(retryAfterS: number): void;
}

export interface OutsideAnswer {
  readonly status: number;
  readonly response: SipResponse | undefined;
}

export interface SignallingOutside {
  send(flow: Flow, bytes: Buffer): void;
  hangUp(flow: Flow): void;
  /** A call came in: returns who listens to the rest of it. */
  incoming(invite: Invite, call: SipCall): OnCall;
  /** See `SipConfig.writer`. */
  readonly writer?: WriterOf;
  /** Every message of every call, for ladders. */
  message?(call: string, m: CallMessage): void;
  /** A dialog as it stands; undefined: it is over. Kept where a successor finds it, who ends it by `bury`. */
  snapshot?(call: string, snapshot: DialogSnapshot | undefined): void;
  count(name: 'dropped' | 'refused', reason: string): void;
  /** Something came that is no SIP message, or a broken one. */
  malformed?(flow: Flow): void;
  /** A listener threw: a bug. Its call is hung up, the others go on. */
  bug(call: string, error: unknown): void;
}

/** Puts typed handles over an endpoint: `feed` goes to its driver, `act` takes what comes out. */
export class EndpointSignalling implements SipSignalling {
  readonly #feed: (input: SipInput) => void;
  readonly #outside: SignallingOutside;
  readonly #calls = new Map<string, OnCall>();
  readonly #pings = new Map<string, (status: number) => void>();
  readonly #requests = new Map<string, (answer: OutsideAnswer) => void>();
  #next = 1;

  constructor(feed: (input: SipInput) => void, outside: SignallingOutside) {
    this.#feed = feed;
    this.#outside = outside;
  }

  dial(options: DialOptions, on: OnCall): SipCall {
    const call = `out-${this.#next++}`;
    this.#calls.set(call, on);
    this.#feed({ type: 'dial', call, options });
    return this.#handle(call);
  }

  ping(to: string): Promise<number> {
    const id = `ping-${this.#next++}`;
    return new Promise(done => {
      this.#pings.set(id, done);
      this.#feed({ type: 'ping', id, to });
    });
  }

  request(request: OutsideRequest, flow: Flow): Promise<OutsideAnswer> {
    const id = `request-${this.#next++}`;
    return new Promise(done => {
      this.#requests.set(id, done);
      this.#feed({ type: 'request', id, request, flow });
    });
  }

  keepAlive(flow: Flow, everyMs: Millis | undefined): void {
    this.#feed({ type: 'keep-alive', flow, everyMs });
  }

  bury(snapshot: DialogSnapshot, headers?: readonly HeaderLine[]): Promise<number> {
    const id = `bury-${this.#next++}`;
    return new Promise(done => {
      this.#pings.set(id, done);
      this.#feed({ type: 'bury', id, snapshot, headers });
    });
  }

  drain(retryAfterS: number): void {
    this.#feed({ type: 'drain', retryAfterS });
  }

  act(out: SipOutput): void {
    switch (out.type) {
      case 'send':
        this.#outside.send(out.flow, out.bytes);
        if (out.call !== undefined) this.#outside.message?.(out.call, { ...out, dir: 'out' });
        return;
      case 'received':
        return this.#outside.message?.(out.call, { ...out, dir: 'in' });
      case 'close-flow':
        return this.#outside.hangUp(out.flow);
      case 'dropped':
        if (out.malformed === true) this.#outside.malformed?.(out.flow);
        return this.#outside.count('dropped', out.reason);
      case 'refused':
        if (out.malformed === true) this.#outside.malformed?.(out.flow);
        return this.#outside.count('refused', String(out.status));
      case 'snapshot':
        return this.#outside.snapshot?.(out.call, out.snapshot);
      case 'pong':
      case 'buried':
        this.#pings.get(out.id)?.(out.status);
        this.#pings.delete(out.id);
        return;
      case 'response':
        this.#requests.get(out.id)?.(out);
        this.#requests.delete(out.id);
        return;
      default:
        this.#event(out);
    }
  }

  #event(e: CallEvent): void {
    try {
      if (e.type === 'invite') this.#calls.set(e.call, this.#outside.incoming(e, this.#handle(e.call)));
      else this.#calls.get(e.call)?.(e);
    } catch (error) {
      this.#outside.bug(e.call, error);
      this.#feed({ type: 'hangup', call: e.call });
    }
    if (e.type === 'ended' || e.type === 'failed' || e.type === 'cancelled') this.#calls.delete(e.call);
  }

  #handle(call: string): SipCall {
    return new Handle(call, this.#feed);
  }
}

/** A class, not an object of closures: one is made for every call. */
class Handle implements SipCall {
  readonly id: string;
  readonly #feed: (c: CallCommand) => void;

  constructor(id: string, feed: (c: CallCommand) => void) {
    this.id = id;
    this.#feed = feed;
  }

  progress(status: number, sdp?: string, reliable?: boolean): void {
    this.#feed({ type: 'progress', call: this.id, status, sdp, reliable });
  }
  answer(sdp: string): void {
    this.#feed({ type: 'answer', call: this.id, sdp });
  }
  reject(status: number, o: Parameters<SipCall['reject']>[1] = {}): void {
    this.#feed({ type: 'reject', call: this.id, status, ...o });
  }
  acknowledge(sdp: string): void {
    this.#feed({ type: 'acknowledge', call: this.id, sdp });
  }
  reinvite(sdp: string | null, method?: Parameters<SipCall['reinvite']>[1]): void {
    this.#feed({ type: 'reinvite', call: this.id, sdp, method });
  }
  info(contentType: string, content: string): void {
    this.#feed({ type: 'info', call: this.id, contentType, content });
  }
  message(content: string): void {
    this.#feed({ type: 'message', call: this.id, content });
  }
  answerMessage(id: number, status: number, o: Parameters<SipCall['answerMessage']>[2] = {}): void {
    this.#feed({ type: 'answer-message', call: this.id, id, status, ...o });
  }
  refer(id: string, to: string, o: Parameters<SipCall['refer']>[2] = {}): void {
    this.#feed({ type: 'refer', call: this.id, id, to, ...o });
  }
  acceptRefer(id: number): void {
    this.#feed({ type: 'accept-refer', call: this.id, id });
  }
  refuseRefer(id: number, status: number, o: Parameters<SipCall['refuseRefer']>[2] = {}): void {
    this.#feed({ type: 'refuse-refer', call: this.id, id, status, ...o });
  }
  notify(id: number, status: number, reason?: string): void {
    this.#feed({ type: 'notify', call: this.id, id, status, reason });
  }
  hangup(headers?: readonly HeaderLine[]): void {
    this.#feed({ type: 'hangup', call: this.id, ...(headers && { headers }) });
  }
}
