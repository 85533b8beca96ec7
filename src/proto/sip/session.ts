import type { Dialog } from './dialog.ts';
import type { Credentials } from './digest.ts';
import type { CallCommand, Ended } from './events.ts';
import type { Flow } from './flow.ts';
import type { InviteClient } from './invite-client.ts';
import { InviteServer } from './invite-server.ts';
import { contentTypeOf, headerText, type SipRequest, sdpOf } from './message.ts';
import { Reinvites, type ReinviteUser } from './reinvite.ts';
import { RequestClient } from './request-client.ts';
import { contact, offers, randomBelow, type Stack } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import { type Body, type HeaderLine, sdpBody } from './write.ts';

/**
 * `early`: no final response yet. `answered`: our 2xx waits for its ACK. `up`: both sides agree.
 * `ending`: our BYE waits for its answer. `ended`: over, kept by nobody.
 */
export type SessionState = 'early' | 'answered' | 'up' | 'ending' | 'ended';

/** One call with its dialog: what both roles share once it is answered. RFC 3261 §12.2, §14, §15. */
export abstract class Session implements ReinviteUser {
  readonly id: string;
  state: SessionState = 'early';
  dialog: Dialog | undefined;
  /** The peer's INVITE while it waits for its answer or our 2xx for its ACK. */
  protected server: InviteServer | undefined;
  /** Our INVITE whose 2xx carried the peer's offer: the ACK waits for our answer. */
  protected owed: InviteClient | undefined;
  protected readonly stack: Stack;
  credentials: Credentials | undefined;
  readonly #reinvites: Reinvites;
  readonly #removed: (s: Session) => void;
  #reported = false;
  #byeDue: readonly HeaderLine[] | undefined;

  constructor(stack: Stack, id: string, removed: (s: Session) => void) {
    this.stack = stack;
    this.id = id;
    this.#removed = removed;
    this.#reinvites = new Reinvites(stack, this);
  }

  abstract readonly localTag: string;
  /** The user part of our Contact. */
  abstract readonly contactUser: string | undefined;
  /** Who made the Call-ID draws the longer back-off, §14.1. */
  abstract readonly ownsCallId: boolean;
  /** A command in state `early`. */
  protected abstract early(c: CallCommand): void;
  /** CANCEL of an INVITE that has no final response. */
  abstract cancelled(cancel: SipRequest): void;

  get isUp(): boolean {
    return this.state === 'up';
  }

  command(c: CallCommand): void {
    switch (`${this.state}/${c.type}` as const) {
      case 'up/answer':
        if (c.type === 'answer') this.#answer(c.sdp);
        return;
      case 'up/reject':
        // §14.2: a refused re-INVITE leaves the session as it was.
        if (c.type === 'reject' && this.server?.state === 'pending') {
          this.server.refuse(c.status, { reason: c.reason, headers: c.headers });
          this.server = undefined;
        }
        return;
      case 'up/acknowledge':
        if (c.type === 'acknowledge') this.#payAck(c.sdp);
        return;
      case 'answered/reinvite':
      case 'up/reinvite':
        if (c.type === 'reinvite') this.#reinvite(c.sdp);
        return;
      case 'answered/info':
      case 'up/info':
        if (c.type === 'info') this.#info(c.contentType, c.content);
        return;
      case 'answered/hangup':
        // §15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK for its 2xx response
        // or until the server transaction times out."
        if (c.type === 'hangup') this.#byeDue = c.headers ?? [];
        return;
      case 'up/hangup':
        if (c.type === 'hangup') this.bye(c.headers ?? [], { by: 'local' });
        return;
      default:
        if (this.state === 'early') this.early(c);
    }
  }

  /** A request within the dialog, its transaction just opened. */
  request(t: ServerTransaction, flow: Flow): void {
    const r = t.request;
    // §12.2.2: "out of order and MUST be rejected with a 500".
    if (this.dialog?.accepts(r, flow) !== true) return t.respond(500, { reason: 'CSeq Out Of Order' });
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
        if (this.server?.offerless !== false) return t.respond(491);
        this.#confirmed(undefined);
        return this.isUp ? this.#peerInvite(t) : t.respond(481); // a hang-up waited for that ACK
      case 'up/INVITE':
        return this.#peerInvite(t);
      case 'early/INVITE':
        // §14.2: "A UAS that receives a second INVITE before it sends the final response to a first INVITE …
        // MUST return a 500 … and MUST include a Retry-After header field with a randomly chosen value of between 0 and 10 seconds."
        return t.respond(500, { headers: [this.#retryAfter()] });
      case 'early/INFO':
      case 'answered/INFO':
      case 'up/INFO':
        return this.#peerInfo(t);
      case 'early/OPTIONS':
      case 'answered/OPTIONS':
      case 'up/OPTIONS':
        return t.respond(200, { headers: [['Accept', 'application/sdp'], ...offers(this.stack)] });
      default:
        t.respond(481);
    }
  }

  /** An ACK with our To tag. */
  ack(r: SipRequest): void {
    if (this.server?.transaction.request.cseq !== r.cseq) return;
    if (this.server.state === 'answered') this.#confirmed(sdpOf(r));
  }

  /** Sends BYE. `local` is reported when the peer has answered it, anything else at once. */
  protected bye(headers: readonly HeaderLine[], why: Ended): void {
    this.#stop();
    this.#payAck(undefined); // else the peer would resend its 2xx for nothing
    this.state = 'ending';
    if (why.by !== 'local') this.#report(why);
    this.#send('BYE', { headers }, () => this.finish(why));
  }

  /** Over. Nothing is sent. */
  protected finish(why: Ended): void {
    if (this.state === 'ended') return;
    this.#stop();
    this.state = 'ended';
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

  /** The ACK of the 2xx to `invite`: §13.2.2.4, its CSeq number is the INVITE's. */
  acknowledge(invite: InviteClient, sdp?: string, dialog = this.dialog as Dialog): void {
    const ack = { ...dialog.request('ACK', invite.request.cseq), body: sdpBody(sdp) };
    invite.acknowledge(ack, this.flow(dialog), dialog.remoteTag);
  }

  #payAck(sdp: string | undefined): void {
    if (this.owed === undefined) return;
    this.acknowledge(this.owed, sdp);
    this.owed = undefined;
  }

  flow(dialog = this.dialog as Dialog): Flow {
    return dialog.flow(f => this.stack.lives(f));
  }

  /** Watches over a peer's INVITE. */
  protected serve(t: ServerTransaction): InviteServer {
    const user = { noAck: () => this.#noAck(), unanswered: () => this.#unanswered() };
    return new InviteServer(this.stack.timers, t, user, this.stack.now);
  }

  /** §13.3.1.4: a 2xx carries Contact, Allow, Supported, and the session description. */
  protected successParts(sdp: string): { dialog: true; headers: HeaderLine[]; body: Body | undefined } {
    const headers = [contact(this.stack, this.flow(), this.contactUser), ...offers(this.stack)];
    return { dialog: true, headers: [...headers, this.#name('Server')], body: sdpBody(sdp) };
  }

  #name(header: string): HeaderLine {
    return [header, this.stack.config.name];
  }

  #answer(sdp: string): void {
    if (this.server?.state === 'pending') this.server.answer(this.successParts(sdp), this.stack.now);
  }

  #confirmed(sdp: string | undefined): void {
    if (this.server?.acknowledged() !== true) return;
    this.server = undefined;
    if (this.state === 'answered') this.state = 'up';
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
    if (this.server !== undefined) {
      if (this.server.state === 'pending') return t.respond(500, { headers: [this.#retryAfter()] });
      if (this.server.offerless) return t.respond(491);
      this.#confirmed(undefined);
    }
    // §14.2: "A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog is in progress MUST return a 491".
    if (this.owed !== undefined || this.#reinvites.underWay) return t.respond(491);
    this.#reinvites.giveWay();
    this.dialog?.refresh(t.request);
    this.server = this.serve(t);
    this.stack.emit({ type: 'offer', call: this.id, sdp: sdpOf(t.request) });
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

  #reinvite(sdp: string | null): void {
    // §14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while another … is in progress in either direction."
    if (this.server !== undefined || this.owed !== undefined || this.#reinvites.busy)
      this.stack.emit({ type: 'rerefused', call: this.id, status: 491 });
    else this.#reinvites.start(sdp);
  }

  /** Our INVITE's 2xx carried the peer's offer. */
  owe(invite: InviteClient): void {
    this.owed = invite;
  }

  #info(contentType: string, content: string): void {
    this.#send('INFO', { body: { type: contentType, content } }, status => {
      if (status === 481 && this.state === 'up') this.lost(status);
    });
  }

  /** The peer no longer knows the dialog (481) or no longer answers (408). */
  lost(status: number): void {
    const reason = `SIP;cause=${status}`;
    this.bye([['Reason', reason]], { by: status === 408 ? 'timer' : 'remote', reason });
  }

  #send(
    method: string,
    more: { headers?: readonly HeaderLine[]; body?: Body },
    done: (status: number) => void,
  ): void {
    const dialog = this.dialog as Dialog;
    const request = { ...dialog.request(method), headers: more.headers ?? [], body: more.body };
    const { credentials, id: call } = this;
    new RequestClient(this.stack, request, {
      flow: this.flow(),
      call,
      credentials,
      nextSeq: () => ++dialog.localSeq,
      done,
    });
  }

  #retryAfter(): HeaderLine {
    return ['Retry-After', String(randomBelow(this.stack, 11))];
  }

  #report(why: Ended): void {
    if (this.#reported) return;
    this.#reported = true;
    this.stack.emit({ type: 'ended', call: this.id, ...why });
  }

  #stop(): void {
    this.#reinvites.stop();
    if (this.server?.state === 'pending') this.server.refuse(487);
    this.server?.stop();
    this.server = undefined;
  }
}
