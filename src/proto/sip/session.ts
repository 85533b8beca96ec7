import type { Dialog } from './dialog.ts';
import { DialogUser } from './dialog-user.ts';
import type { CallCommand, Ended } from './events.ts';
import type { Flow } from './flow.ts';
import type { InviteClient } from './invite-client.ts';
import { InviteServer } from './invite-server.ts';
import { contentTypeOf, headerText, type SipRequest, sdpOf } from './message.ts';
import { Messages } from './messages.ts';
import { Refers } from './refers.ts';
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

/** One call with its dialog: what both roles share once it is answered. RFC 3261 §12.2, §14, §15; RFC 3311. */
export abstract class Session extends DialogUser implements ReinviteUser {
  state: SessionState = 'early';
  /** The peer's INVITE while it waits for its answer or our 2xx for its ACK. */
  protected server: InviteServer | undefined;
  /** Our INVITE whose 2xx carried the peer's offer: the ACK waits for our answer. */
  protected owed: InviteClient | undefined;
  /** The peer's UPDATE or PRACK whose offer waits for our answer. */
  protected asked: Undecided | undefined;
  readonly #reinvites: Reinvites;
  readonly #removed: (s: Session) => void;
  #refers: Refers | undefined;
  #messages: Messages | undefined;
  #reported = false;
  #byeDue: readonly HeaderLine[] | undefined;

  constructor(stack: Stack, id: string, removed: (s: Session) => void) {
    super(stack, id);
    this.#removed = removed;
    this.#reinvites = new Reinvites(stack, this);
  }

  /** Who made the Call-ID draws the longer back-off, §14.1. */
  abstract readonly ownsCallId: boolean;
  /** A command in state `early`. */
  protected abstract early(c: CallCommand): void;
  /** CANCEL of an INVITE that has no final response. */
  abstract cancelled(cancel: SipRequest): void;

  get lives(): boolean {
    return this.state !== 'ending' && this.state !== 'ended';
  }

  command(c: CallCommand): void {
    switch (c.type) {
      case 'answer':
        if (this.asked !== undefined) return this.#answerAsked(c.sdp);
        if (this.state === 'up' && this.server?.state === 'pending')
          return this.server.answer(
            this.successParts(c.sdp, this.server.transaction.request),
            this.stack.now,
          );
        break;
      case 'reject':
        // §14.2, RFC 3311 §5.2: a refused offer leaves the session as it was.
        if (this.asked !== undefined) return this.#refuseAsked(c);
        if (this.state === 'up' && this.server?.state === 'pending') {
          this.server.refuse(c.status, { reason: c.reason, headers: c.headers });
          this.server = undefined;
        }
        break;
      case 'accept-refer':
        return this.#refers?.accept(c.id);
      case 'refuse-refer':
        return this.#refers?.refuse(c.id, c.status, c);
      case 'answer-message':
        return this.#messages?.answer(c.id, c.status, c);
      case 'notify':
        return this.lives ? this.#refers?.notify(c.id, c.status, c.reason) : undefined;
    }
    if (this.state === 'early') this.early(c);
    else if (this.lives) this.#talking(c);
  }

  /** `answered` or `up`. */
  #talking(c: CallCommand): void {
    switch (c.type) {
      case 'acknowledge':
        return this.#payAck(c.sdp);
      case 'reinvite':
        return this.reoffer(c.sdp, c.method);
      case 'info':
        return void this.ask(
          'INFO',
          { headers: [], body: { type: c.contentType, content: c.content } },
          status => {
            if (status === 481 && this.state === 'up') this.lost(status);
          },
        );
      case 'message':
        return this.#texts.send(c.content);
      case 'refer':
        return this.#transfers.send(c.id, c.to, c.replaces, c.headers ?? []);
      case 'hangup':
        // §15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK for its 2xx response
        // or until the server transaction times out."
        if (this.state === 'answered') this.#byeDue = c.headers ?? [];
        else this.bye(c.headers ?? [], { by: 'local' });
    }
  }

  get #transfers(): Refers {
    return (this.#refers ??= new Refers(this.stack, this));
  }

  get #texts(): Messages {
    return (this.#messages ??= new Messages(this.stack, this));
  }

  /** A request within `dialog`, its transaction just opened. */
  request(t: ServerTransaction, flow: Flow, dialog: Dialog): void {
    const r = t.request;
    // §12.2.2: "out of order and MUST be rejected with a 500".
    if (!dialog.accepts(r, flow)) return t.respond(500, { reason: 'CSeq Out Of Order' });
    if (this.state === 'up') this.note();
    switch (`${this.state}/${r.method}`) {
      case 'early/BYE':
        // §15: a caller may hang up an early dialog by BYE; §15.1.2: "any pending requests … SHOULD [get] a 487".
        t.respond(200);
        return this.cancelled(r);
      case 'answered/BYE':
      case 'up/BYE':
        t.respond(200);
        return this.finish({ by: 'remote', reason: headerText(r, 'reason') });
      case 'ending/BYE':
        return t.respond(200);
      case 'answered/INVITE':
        // The peer has our 2xx, or it would not ask for more: its ACK was lost. Unless that ACK was to bring the answer.
        if (this.server?.awaitsAnswer !== false) return t.respond(491);
        this.#confirmed(undefined);
        return this.state === 'up' ? this.#peerInvite(t) : t.respond(481); // a hang-up waited for that ACK
      case 'up/INVITE':
        return this.#peerInvite(t);
      case 'early/INVITE':
        // §14.2: "A UAS that receives a second INVITE before it sends the final response to a first INVITE …
        // MUST return a 500 … and MUST include a Retry-After header field with a randomly chosen value of between 0 and 10 seconds."
        return this.#tooSoon(t);
      case 'early/UPDATE':
      case 'answered/UPDATE':
      case 'up/UPDATE':
        return this.#peerUpdate(t, dialog);
      case 'early/PRACK':
      case 'answered/PRACK':
        return this.pracked(t);
      case 'early/INFO':
      case 'answered/INFO':
      case 'up/INFO':
        return this.#peerInfo(t);
      case 'early/OPTIONS':
      case 'answered/OPTIONS':
      case 'up/OPTIONS':
        return t.respond(200, { headers: [['Accept', 'application/sdp'], ...this.stack.told] });
      case 'answered/REFER':
      case 'up/REFER':
        return this.#transfers.receive(t);
      case 'early/REFER':
        return t.respond(403, { reason: 'No transfer before the answer' });
      case 'answered/MESSAGE':
      case 'up/MESSAGE':
        return this.#texts.receive(t);
      case 'early/MESSAGE':
        return t.respond(403, { reason: 'No texts before the answer' });
      case 'answered/NOTIFY':
      case 'up/NOTIFY':
        return this.#transfers.notified(t);
      default:
        t.respond(481);
    }
  }

  /** An ACK with our To tag. */
  ack(r: SipRequest): void {
    if (this.server?.transaction.request.cseq !== r.cseq) return;
    if (this.server.state === 'answered') this.#confirmed(sdpOf(r));
  }

  // ---------------------------------------------------------------- how it ends

  /** Sends BYE. `local` is reported when the peer has answered it, anything else at once. */
  protected bye(headers: readonly HeaderLine[], why: Ended): void {
    this.#stop();
    this.#payAck(undefined); // else the peer would resend its 2xx for nothing
    this.state = 'ending';
    if (why.by !== 'local') this.#report(why);
    this.ask('BYE', { headers }, () => this.finish(why));
  }

  /** Over. Nothing is sent. */
  protected finish(why: Ended): void {
    if (this.state === 'ended') return;
    this.#stop();
    this.state = 'ended';
    this.unnote();
    this.#report(why);
    this.#removed(this);
  }

  /** Its own event (`failed`, `cancelled`) told the end: no `ended` follows. */
  protected told(): void {
    this.#reported = true;
  }

  /** Removes the call without `ended`: it never was one. */
  protected drop(): void {
    this.told();
    this.finish({ by: 'local' });
  }

  /** The peer no longer knows the dialog (481) or no longer answers (408). */
  lost(status: number): void {
    const reason = `SIP;cause=${status};text="${status === 408 ? 'No answer to a request within the call' : 'The peer does not know the call any more'}"`;
    this.bye([['Reason', reason]], { by: status === 408 ? 'timer' : 'remote', reason });
  }

  /** RFC 4028 §10: nobody refreshed the session. */
  expired(intervalS: number): void {
    if (this.state !== 'up' && this.state !== 'answered') return;
    const reason = `SIP;cause=408;text="Session expired: not refreshed within ${intervalS} s (RFC 4028)"`;
    this.bye([['Reason', reason]], { by: 'timer', reason });
  }

  #report(why: Ended): void {
    if (this.#reported) return;
    this.#reported = true;
    this.stack.emit({ type: 'ended', call: this.id, ...why });
  }

  #stop(): void {
    this.timer.stop();
    this.#reinvites.stop();
    this.#refers?.stop();
    this.#messages?.stop();
    this.asked?.respond(487);
    this.asked = undefined;
    if (this.server?.state === 'pending') this.server.refuse(487);
    this.server?.stop();
    this.server = undefined;
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
    if (this.#reinvites.offering) return 'ours';
    if (this.server === undefined || this.server.settled) return undefined;
    if (this.server.offerless) return 'ours';
    return this.server.state === 'pending' ? 'theirs' : undefined;
  }

  #confirmed(sdp: string | undefined): void {
    if (this.server?.acknowledged() !== true) return;
    this.server = undefined;
    if (this.state === 'answered') this.state = 'up';
    this.note();
    this.stack.emit({ type: 'confirmed', call: this.id, sdp });
    if (this.#byeDue !== undefined) this.bye(this.#byeDue, { by: 'local' });
  }

  #noAck(): void {
    const reason = 'SIP;cause=408;text="No ACK arrived for our 200"';
    this.bye([['Reason', reason]], { by: 'timer', reason });
  }

  #unanswered(): void {
    this.command({ type: 'reject', call: this.id, status: 480 });
  }

  #peerInvite(t: ServerTransaction): void {
    if (this.asked !== undefined) return this.#tooSoon(t);
    if (this.server !== undefined) {
      if (this.server.state === 'pending') return this.#tooSoon(t);
      if (this.server.awaitsAnswer) return t.respond(491);
      this.#confirmed(undefined);
    }
    // §14.2: "A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog is in progress MUST return a 491".
    if (this.owed !== undefined || this.#reinvites.offering) return t.respond(491);
    this.#reinvites.giveWay();
    this.learn(t.request);
    this.dialog?.refresh(t.request);
    this.note();
    this.server = this.serve(t);
    this.stack.emit({ type: 'offer', call: this.id, sdp: sdpOf(t.request) });
  }

  /** RFC 3311 §5.2. */
  #peerUpdate(t: ServerTransaction, dialog: Dialog): void {
    if (sdpOf(t.request) === undefined) {
      this.#refreshed(t, dialog);
      t.respond(200, this.successParts(undefined, t.request));
      return this.stack.emit({ type: 'refreshed', call: this.id });
    }
    switch (this.unanswered(dialog)) {
      // "If an UPDATE is received that contains an offer, and the UAS has received an offer … to which it has not yet generated
      // an answer, the UAS MUST reject the UPDATE with a 500 response, and MUST include a Retry-After header field".
      case 'theirs':
        return this.#tooSoon(t);
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
    this.#reinvites.giveWay();
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

  #peerInfo(t: ServerTransaction): void {
    const { body, headers } = t.request;
    t.respond(200);
    // RFC 2976 §2.1: an INFO without a body is answered 200 and means nothing.
    if (body.length === 0) return;
    const contentType = contentTypeOf(headers);
    this.stack.emit({ type: 'info', call: this.id, contentType, content: body.toString('utf8') });
  }

  #tooSoon(t: ServerTransaction): void {
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
    if (busy || !this.#reinvites.start({ method: by, sdp }))
      this.stack.emit({ type: 'rerefused', call: this.id, status: 491 });
  }

  /** RFC 4028 §7.4: "it is RECOMMENDED that the UPDATE request be used if the peer supports it", else the same offer again. */
  refresh(): void {
    if (this.state !== 'up' || this.server !== undefined || this.owed !== undefined) return; // theirs will do, or the next try
    this.#reinvites.refresh(this.peerUpdates ? null : this.localSdp);
  }

  /** Headers of an INVITE or UPDATE of ours. */
  asks(flow: Flow): HeaderLine[] {
    return [...this.introduces(flow), ...this.timer.asks(), ['User-Agent', this.stack.config.name]];
  }

  /** Our INVITE's 2xx carried the peer's offer. */
  owe(invite: InviteClient): void {
    this.owed = invite;
  }

  #payAck(sdp: string | undefined): void {
    if (this.owed === undefined) return;
    if (sdp !== undefined) this.localSdp = sdp;
    this.acknowledge(this.owed, sdp);
    this.owed = undefined;
  }
}
