import type { Dialog } from './dialog.ts';
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import { InviteClient } from './invite-client.ts';
import { type SipMessage, type SipResponse, sdpOf } from './message.ts';
import { RequestClient } from './request-client.ts';
import type { SessionTimer } from './session-timer.ts';
import { randomBelow, type Stack } from './stack.ts';
import type { Timer, TimerOwner } from './timers.ts';
import { type HeaderLine, sdpBody } from './write.ts';

/** How often an offer is sent again after 491, 500 with Retry-After, or 422. */
const MAX_TRIES = 5;
/** RFC 3261 §14.2 lets the peer ask for up to this. */
const MAX_RETRY_AFTER_S = 10;

/** What our re-INVITEs and UPDATEs need of the call they belong to. */
export interface ReinviteUser {
  readonly id: string;
  /** Who made the Call-ID draws the longer back-off. */
  readonly ownsCallId: boolean;
  readonly credentials: Credentials | undefined;
  /** False once the call is ending: a late 2xx is acknowledged and not told. */
  readonly lives: boolean;
  readonly dialog: Dialog | undefined;
  readonly timer: SessionTimer;
  localSdp: string | undefined;
  peerUpdates: boolean;
  flow(): Flow;
  /** Headers of an INVITE or UPDATE. */
  asks(flow: Flow): HeaderLine[];
  learn(m: SipMessage): void;
  note(): void;
  acknowledge(invite: InviteClient): void;
  /** The 2xx carried the peer's offer: the ACK waits for our answer. */
  owe(invite: InviteClient): void;
  /** The peer no longer knows the dialog (481) or no longer answers (408). */
  lost(status: number): void;
}

interface Ask {
  readonly method: 'INVITE' | 'UPDATE';
  /** Null: an INVITE that asks the peer to offer; an UPDATE that only refreshes. */
  readonly sdp: string | null;
}

/** Our re-INVITEs and UPDATEs of one dialog, one at a time, with the back-off of glare: RFC 3261 §14.1, RFC 3311 §5.1. */
export class Reinvites implements TimerOwner {
  readonly #stack: Stack;
  readonly #user: ReinviteUser;
  /** On the wire, or backing off. */
  #ask: Ask | undefined;
  /** It is only a refresh of the session (RFC 4028): the application does not hear of it. */
  #refreshing = false;
  /** What the application asked for meanwhile. */
  #next: Ask | undefined;
  #client: InviteClient | undefined;
  #again: Timer | undefined;
  #tries = 0;

  constructor(stack: Stack, user: ReinviteUser) {
    this.#stack = stack;
    this.#user = user;
  }

  /** One is on the wire that is an INVITE or holds an offer: the peer's must wait. */
  get offering(): boolean {
    const ask = this.#again === undefined ? this.#ask : undefined;
    return ask !== undefined && (ask.method === 'INVITE' || ask.sdp !== null);
  }

  /** False: one of the application's is under way. A refresh is waited for. */
  start(ask: Ask): boolean {
    if (this.#ask === undefined) this.#begin(ask, false);
    else if (this.#refreshing && this.#next === undefined) this.#next = ask;
    else return false;
    return true;
  }

  /** `sdp` null: by UPDATE; else by an INVITE with this, the description that holds. One under way does as well. */
  refresh(sdp: string | null | undefined): void {
    if (this.#ask !== undefined || sdp === undefined) return;
    this.#begin({ method: sdp === null ? 'UPDATE' : 'INVITE', sdp }, true);
  }

  timer(): void {
    this.#again = undefined;
    if (this.#user.lives) this.#send();
  }

  /** The peer's offer came through while ours backed off: ours may be out of date once theirs is answered. */
  giveWay(): void {
    if (this.#again === undefined) return;
    this.#stack.timers.stop(this.#again);
    this.#refuse(491);
  }

  stop(): void {
    this.#stack.timers.stop(this.#again);
    this.#again = undefined;
    this.#next = undefined;
    this.#client?.cancel();
  }

  #begin(ask: Ask, refreshing: boolean): void {
    this.#ask = ask;
    this.#refreshing = refreshing;
    this.#tries = 0;
    this.#send();
  }

  #send(): void {
    const { method, sdp } = this.#ask as Ask;
    const dialog = this.#user.dialog as Dialog;
    const { id: call, credentials } = this.#user;
    const flow = this.#user.flow();
    const request = { ...dialog.request(method), headers: this.#user.asks(flow), body: sdpBody(sdp) };
    const nextSeq = (): number => ++dialog.localSeq;
    if (method === 'UPDATE') {
      const done = (status: number, r?: SipResponse): void =>
        status < 300 && r !== undefined ? this.#accepted(r, undefined) : this.#refused(status, r);
      new RequestClient(this.#stack, request, { flow, call, credentials, nextSeq, done });
      return;
    }
    this.#client = new InviteClient(this.#stack, call, request, {
      flow,
      credentials,
      user: {
        progress() {},
        forked() {},
        accepted: (r, by) => this.#accepted(r, by),
        refused: (status, r) => this.#refused(status, r),
        nextSeq,
      },
    });
    this.#client.start();
  }

  #accepted(r: SipResponse, invite: InviteClient | undefined): void {
    const { method, sdp: offered } = this.#ask as Ask;
    const user = this.#user;
    this.#client = undefined;
    if (!user.lives) {
      if (invite !== undefined) user.acknowledge(invite);
      return;
    }
    user.dialog?.refresh(r);
    user.learn(r);
    user.timer.agreed(r, this.#stack.now);
    user.note();
    if (offered !== null) user.localSdp = offered;
    const sdp = sdpOf(r);
    const owed = method === 'INVITE' && offered === null && sdp !== undefined;
    if (owed && invite !== undefined) user.owe(invite);
    else if (invite !== undefined) user.acknowledge(invite);
    const call = user.id;
    const refreshing = this.#refreshing;
    this.#ask = undefined;
    this.#stack.emit(refreshing ? { type: 'refreshed', call } : { type: 'reanswered', call, sdp, owed });
    this.#goOn();
  }

  #refused(status: number, r: SipResponse | undefined): void {
    this.#client = undefined;
    if (!this.#user.lives) return;
    const waitMs = this.#tries++ < MAX_TRIES ? this.#waitMs(status, r) : undefined;
    if (waitMs !== undefined) {
      this.#again = this.#stack.timers.start(this, 'again', this.#stack.now + waitMs);
      return;
    }
    // RFC 3261 §12.2.1.2: "If the response for a request within a dialog is a 481 or a 408, the UAC SHOULD terminate the dialog."
    if (status === 481 || status === 408) return this.#user.lost(status);
    // Its Allow promised too much, or it forgot that it sent none: by INVITE then.
    if (this.#ask?.method === 'UPDATE' && (status === 405 || status === 501)) {
      this.#user.peerUpdates = false;
      const sdp = this.#ask.sdp ?? this.#user.localSdp;
      if (sdp !== undefined) {
        this.#ask = { method: 'INVITE', sdp };
        return this.#send();
      }
    }
    this.#refuse(status);
  }

  /** When to send the same again; undefined: not at all. */
  #waitMs(status: number, r: SipResponse | undefined): number | undefined {
    // §14.1: "If a UAC receives a 491 …, it SHOULD start a timer": 2.1–4 s for the owner of the Call-ID, 0–2 s for the
    // other, in units of 10 ms.
    if (status === 491)
      return this.#user.ownsCallId
        ? 2100 + randomBelow(this.#stack, 190) * 10
        : randomBelow(this.#stack, 200) * 10;
    // §14.2: 500 with Retry-After: the peer had an exchange of its own under way.
    const after = Number(/^\s*(\d{1,4})/.exec(r?.headers.get('retry-after') ?? '')?.[1] ?? Number.NaN);
    if (status === 500 && after <= MAX_RETRY_AFTER_S) return after * 1000;
    // RFC 4028 §7.3: again at once, with the longer interval.
    if (status === 422 && r !== undefined && this.#user.timer.raised(r)) return 0;
    return undefined;
  }

  #refuse(status: number): void {
    this.#again = undefined;
    this.#ask = undefined;
    // A refresh that failed is tried again by the session timer, until the session expires.
    if (!this.#refreshing) this.#stack.emit({ type: 'rerefused', call: this.#user.id, status });
    this.#goOn();
  }

  #goOn(): void {
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined) this.#begin(next, false);
  }
}
