import type { Dialog } from './dialog.ts';
import { DialogUser } from './dialog-user.ts';
import type { CallCommand, Ended } from './events.ts';
import type { Flow } from './flow.ts';
import type { InviteClient } from './invite-client.ts';
import { InviteServer } from './invite-server.ts';
import { type SipRequest, sdpOf } from './message.ts';
import { Reinvites, type ReinviteUser } from './reinvite.ts';
import { randomBelow, type Stack } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import { Undecided } from './undecided.ts';
import { type HeaderLine, type ResponseParts, sdpBody } from './write.ts';

/**
 * `early`: no final response yet. `answered`: our 2xx waits for its ACK. `up`: both sides agree.
 * `ending`: our BYE waits for its answer. `ended`: over, kept by nobody.
 */
export type SessionState = 'early' | 'answered' | 'up' | 'ending' | 'ended';

/**
 * The offers and answers of one call (RFC 3264), whoever makes them and in whatever they come: INVITE and its 2xx, ACK,
 * UPDATE, PRACK. One at a time. RFC 3261 §13, §14; RFC 3311; RFC 4028 for what refreshes them.
 */
export abstract class Negotiation extends DialogUser implements ReinviteUser {
  state: SessionState = 'early';
  /** The peer's INVITE while it waits for its answer or our 2xx for its ACK. */
  protected server: InviteServer | undefined;
  /** Our INVITE whose 2xx carried the peer's offer: the ACK waits for our answer. */
  protected owed: InviteClient | undefined;
  /** The peer's UPDATE or PRACK whose offer waits for our answer. */
  protected asked: Undecided | undefined;
  protected readonly reinvites: Reinvites;

  constructor(stack: Stack, id: string) {
    super(stack, id);
    this.reinvites = new Reinvites(stack, this);
  }

  /** Who made the Call-ID draws the longer back-off, §14.1. */
  abstract readonly ownsCallId: boolean;
  abstract command(c: CallCommand): void;
  abstract lost(status: number): void;
  /** Sends BYE. */
  protected abstract bye(headers: readonly HeaderLine[], why: Ended): void;
  /** Our 2xx has got its ACK. */
  protected abstract agreed(): void;

  get lives(): boolean {
    return this.state !== 'ending' && this.state !== 'ended';
  }

  /** To the offer of a re-INVITE, UPDATE or PRACK; false: there is none. */
  protected answerOffer(sdp: string): boolean {
    if (this.asked !== undefined) this.#answerAsked(sdp);
    else if (this.state === 'up' && this.server?.state === 'pending')
      this.server.answer(this.successParts(sdp, this.server.transaction.request), this.stack.now);
    else return false;
    return true;
  }

  /** §14.2, RFC 3311 §5.2: a refused offer leaves the session as it was. False: there is none. */
  protected refuseOffer(c: Extract<CallCommand, { type: 'reject' }>): boolean {
    if (this.asked !== undefined) this.#refuseAsked(c);
    else if (this.state === 'up' && this.server?.state === 'pending') {
      this.server.refuse(c.status, { reason: c.reason, headers: c.headers });
      this.server = undefined;
    } else return false;
    return true;
  }

  // ---------------------------------------------------------------- what the peer offers

  /** Watches over a peer's INVITE. */
  protected serve(t: ServerTransaction): InviteServer {
    const user = { noAck: () => this.#noAck(), unanswered: () => this.#unanswered() };
    return new InviteServer(this.stack.timers, t, user, this.stack.now);
  }

  /** What a 2xx to INVITE or UPDATE carries. */
  protected successParts(
    sdp: string | undefined,
    request: SipRequest,
  ): Omit<ResponseParts, 'topVia' | 'toTag'> {
    if (sdp !== undefined) this.localSdp = sdp;
    const headers = this.introduces();
    headers.push(...this.timer.answers(request, this.stack.now), ['Server', this.stack.config.name]);
    return { dialog: true, headers, body: sdpBody(sdp) };
  }

  /** An offer that has no answer yet, and whose: RFC 3264 allows one at a time. */
  protected unanswered(_dialog: Dialog): 'ours' | 'theirs' | undefined {
    if (this.asked !== undefined || this.owed !== undefined) return 'theirs';
    if (this.reinvites.offering) return 'ours';
    if (this.server === undefined || this.server.settled) return undefined;
    if (this.server.offerless) return 'ours';
    return this.server.state === 'pending' ? 'theirs' : undefined;
  }

  protected confirmed(sdp: string | undefined): void {
    if (this.server?.acknowledged() !== true) return;
    this.server = undefined;
    if (this.state === 'answered') this.state = 'up';
    this.note();
    this.stack.emit({ type: 'confirmed', call: this.id, sdp });
    this.agreed();
  }

  #noAck(): void {
    const reason = 'SIP;cause=408;text="No ACK arrived for our 200"';
    this.bye([['Reason', reason]], { by: 'timer', reason });
  }

  #unanswered(): void {
    this.command({ type: 'reject', call: this.id, status: 480 });
  }

  protected peerInvite(t: ServerTransaction): void {
    if (this.asked !== undefined) return this.tooSoon(t);
    if (this.server !== undefined) {
      if (this.server.state === 'pending') return this.tooSoon(t);
      if (this.server.awaitsAnswer) return t.respond(491);
      this.confirmed(undefined);
    }
    // §14.2: "A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog is in progress MUST return a 491".
    if (this.owed !== undefined || this.reinvites.offering) return t.respond(491);
    this.reinvites.giveWay();
    this.learn(t.request);
    this.dialog?.refresh(t.request);
    this.note();
    this.server = this.serve(t);
    this.stack.emit({ type: 'offer', call: this.id, sdp: sdpOf(t.request) });
  }

  /** RFC 3311 §5.2. */
  protected peerUpdate(t: ServerTransaction, dialog: Dialog): void {
    if (sdpOf(t.request) === undefined) {
      this.#refreshed(t, dialog);
      t.respond(200, this.successParts(undefined, t.request));
      return this.stack.emit({ type: 'refreshed', call: this.id });
    }
    switch (this.unanswered(dialog)) {
      // "If an UPDATE is received that contains an offer, and the UAS has received an offer … to which it has not yet generated
      // an answer, the UAS MUST reject the UPDATE with a 500 response, and MUST include a Retry-After header field".
      case 'theirs':
        return this.tooSoon(t);
      // "If an UPDATE is received that contains an offer, and the UAS has generated an offer … to which it has not yet received an
      // answer, the UAS MUST reject the UPDATE with a 491 response."
      case 'ours':
        return t.respond(491);
    }
    this.#refreshed(t, dialog);
    this.takeOffer(t);
  }

  #refreshed(t: ServerTransaction, dialog: Dialog): void {
    this.learn(t.request);
    dialog.refresh(t.request);
    if (this.state === 'up') this.note();
  }

  /** An offer that came in an UPDATE or a PRACK: the application answers it. */
  protected takeOffer(t: ServerTransaction): void {
    this.reinvites.giveWay();
    this.asked = new Undecided(this.stack.timers, t, this.stack.now, () => {
      this.asked = undefined;
      this.stack.emit({ type: 'withdrawn', call: this.id });
    });
    this.stack.emit({ type: 'offer', call: this.id, sdp: sdpOf(t.request) });
  }

  #answerAsked(sdp: string): void {
    const { asked } = this;
    this.asked = undefined;
    this.localSdp = sdp;
    const isPrack = asked?.transaction.request.method === 'PRACK';
    asked?.respond(200, isPrack ? { body: sdpBody(sdp) } : this.successParts(sdp, asked.transaction.request));
    this.exchanged();
    this.stack.emit({ type: 'confirmed', call: this.id, sdp: undefined });
  }

  #refuseAsked(c: Extract<CallCommand, { type: 'reject' }>): void {
    const { asked } = this;
    this.asked = undefined;
    asked?.respond(c.status, { reason: c.reason, headers: c.headers });
    this.exchanged();
  }

  /** An exchange within the early dialog is done. */
  protected exchanged(): void {}

  /** PRACK: only an INVITE that has reliable provisional responses waits for one (RFC 3262 §3: else 481). */
  protected pracked(t: ServerTransaction): void {
    t.respond(481);
  }

  /** The peer takes its re-INVITE back. */
  protected withdrawn(): void {
    if (this.server?.state !== 'pending') return;
    this.server.refuse(487);
    this.server = undefined;
    this.stack.emit({ type: 'withdrawn', call: this.id });
  }

  protected tooSoon(t: ServerTransaction): void {
    t.respond(500, { headers: [['Retry-After', String(randomBelow(this.stack, 11))]] });
  }

  // ---------------------------------------------------------------- what we offer

  protected reoffer(sdp: string | null, method: 'INVITE' | 'UPDATE' | 'auto' = 'auto'): void {
    const early = this.state === 'early';
    const by = sdp === null ? 'INVITE' : method === 'auto' ? (early ? 'UPDATE' : 'INVITE') : method;
    // §14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while another … is in progress in either direction";
    // RFC 3311 §5.1 says the same of offers in UPDATE.
    const busy =
      this.asked !== undefined ||
      this.owed !== undefined ||
      (this.server !== undefined && !(early && this.server.settled));
    if (busy || !this.reinvites.start({ method: by, sdp }))
      this.stack.emit({ type: 'rerefused', call: this.id, status: 491 });
  }

  /** RFC 4028 §7.4: "it is RECOMMENDED that the UPDATE request be used if the peer supports it", else the same offer again. */
  refresh(): void {
    if (this.state !== 'up' || this.server !== undefined || this.owed !== undefined) return; // theirs will do, or the next try
    this.reinvites.refresh(this.peerUpdates ? null : this.localSdp);
  }

  /** Headers of an INVITE or UPDATE of ours. */
  asks(flow: Flow): HeaderLine[] {
    return [...this.introduces(flow), ...this.timer.asks(), ['User-Agent', this.stack.config.name]];
  }

  /** Our INVITE's 2xx carried the peer's offer. */
  owe(invite: InviteClient): void {
    this.owed = invite;
  }

  protected payAck(sdp: string | undefined): void {
    if (this.owed === undefined) return;
    if (sdp !== undefined) this.localSdp = sdp;
    this.acknowledge(this.owed, sdp);
    this.owed = undefined;
  }
}
