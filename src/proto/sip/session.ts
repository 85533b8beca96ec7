import type { Dialog } from './dialog.ts';
import type { CallCommand, Ended } from './events.ts';
import type { Flow } from './flow.ts';
import { contentTypeOf, headerText, type SipRequest, sdpOf } from './message.ts';
import { Messages } from './messages.ts';
import { Negotiation } from './negotiation.ts';
import { Refers } from './refers.ts';
import type { Stack } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import type { HeaderLine } from './write.ts';

/** One call with its dialog: what both roles share once it is answered. RFC 3261 §12.2, §14, §15; RFC 3311. */
export abstract class Session extends Negotiation {
  readonly #removed: (s: Session) => void;
  #refers: Refers | undefined;
  #messages: Messages | undefined;
  #reported = false;
  #byeDue: readonly HeaderLine[] | undefined;

  constructor(stack: Stack, id: string, removed: (s: Session) => void) {
    super(stack, id);
    this.#removed = removed;
  }

  /** A command in state `early`. */
  protected abstract early(c: CallCommand): void;
  /** CANCEL of an INVITE that has no final response. */
  abstract cancelled(cancel: SipRequest): void;

  command(c: CallCommand): void {
    switch (c.type) {
      case 'answer':
        if (this.answerOffer(c.sdp)) return;
        break;
      case 'reject':
        if (this.refuseOffer(c)) return;
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
        return this.payAck(c.sdp);
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
        this.confirmed(undefined);
        return this.state === 'up' ? this.peerInvite(t) : t.respond(481); // a hang-up waited for that ACK
      case 'up/INVITE':
        return this.peerInvite(t);
      case 'early/INVITE':
        // §14.2: "A UAS that receives a second INVITE before it sends the final response to a first INVITE …
        // MUST return a 500 … and MUST include a Retry-After header field with a randomly chosen value of between 0 and 10 seconds."
        return this.tooSoon(t);
      case 'early/UPDATE':
      case 'answered/UPDATE':
      case 'up/UPDATE':
        return this.peerUpdate(t, dialog);
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
      case 'early/MESSAGE':
      case 'answered/MESSAGE':
      case 'up/MESSAGE':
        return this.written(t);
      case 'answered/NOTIFY':
      case 'up/NOTIFY':
        return this.#transfers.notified(t);
      default:
        t.respond(481);
    }
  }

  /** A text of the peer, within the dialog or not. */
  written(t: ServerTransaction): void {
    if (this.state === 'early') t.respond(403, { reason: 'No texts before the answer' });
    else if (this.lives) this.#texts.receive(t);
    else t.respond(481);
  }

  /** An ACK with our To tag. */
  ack(r: SipRequest): void {
    if (this.server?.transaction.request.cseq !== r.cseq) return;
    if (this.server.state === 'answered') this.confirmed(sdpOf(r));
  }

  // ---------------------------------------------------------------- how it ends

  /** Sends BYE. `local` is reported when the peer has answered it, anything else at once. */
  protected bye(headers: readonly HeaderLine[], why: Ended): void {
    this.#stop();
    this.payAck(undefined); // else the peer would resend its 2xx for nothing
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
    this.reinvites.stop();
    this.#refers?.stop();
    this.#messages?.stop();
    this.asked?.respond(487);
    this.asked = undefined;
    if (this.server?.state === 'pending') this.server.refuse(487);
    this.server?.stop();
    this.server = undefined;
  }

  /** A hang-up may have waited for the ACK. */
  protected override agreed(): void {
    if (this.#byeDue !== undefined) this.bye(this.#byeDue, { by: 'local' });
  }

  #peerInfo(t: ServerTransaction): void {
    const { body, headers } = t.request;
    t.respond(200);
    // RFC 2976 §2.1: an INFO without a body is answered 200 and means nothing.
    if (body.length === 0) return;
    const contentType = contentTypeOf(headers);
    this.stack.emit({ type: 'info', call: this.id, contentType, content: body.toString('utf8') });
  }
}
