import { Dialog } from './dialog.ts';
import type { CallCommand } from './events.ts';
import type { Flow } from './flow.ts';
import { contactOf, headerText, lists, type SipRequest, sdpOf } from './message.ts';
import { ReliableServer } from './reliable-server.ts';
import { Session } from './session.ts';
import { contact, type Stack } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import { sdpBody } from './write.ts';
import { addressOf, type Party } from './writers.ts';

const REPLACED = 'SIP;cause=200;text="Another call took the place of this one (RFC 3891)"';

/** A call to us: RFC 3261 §13.3. */
export class IncomingCall extends Session {
  readonly localTag: string;
  readonly contactUser: string | undefined;
  readonly party: Party;
  readonly ownsCallId = false;
  readonly #replaced: Session | undefined;
  /** An answer given while a reliable description still waits for its PRACK. */
  #held: string | undefined;

  /** `replaced`: the call that is hung up when this one is answered. */
  constructor(
    stack: Stack,
    id: string,
    t: ServerTransaction,
    flow: Flow,
    removed: (s: Session) => void,
    replaced?: Session,
  ) {
    super(stack, id, removed);
    this.localTag = t.toTag;
    this.contactUser = t.request.uri.user;
    this.party = { peer: addressOf(t.request.from.uri), us: [t.request.uri.user] };
    this.sips = t.request.uri.scheme === 'sips' || contactOf(t.request)?.uri.scheme === 'sips';
    this.dialog = Dialog.ofRequest(t.request, t.toTag, flow);
    this.#replaced = replaced;
    t.call = id;
    this.learn(t.request);
    this.server = this.serve(t);
    const { request } = t;
    const replaces = replaced && { replaces: replaced.id };
    stack.emit({ type: 'invite', call: id, request, flow, sdp: sdpOf(request), ...replaces });
  }

  /** 100 at once (RFC 3261 §17.2.1 allows 200 ms): the caller stops resending. */
  trying(): void {
    this.server?.transaction.respond(100);
  }

  protected early(c: CallCommand): void {
    switch (c.type) {
      case 'progress':
        return this.#progress(c);
      case 'answer':
        return this.#answer(c.sdp);
      case 'reject':
        this.server?.refuse(c.status, { reason: c.reason, headers: c.headers });
        return this.finish({ by: 'local' });
      case 'reinvite':
        // RFC 3311 §5.1: the called side may send UPDATE in the early dialog once the first offer has its answer.
        if (this.server?.settled === true) return this.reoffer(c.sdp, 'UPDATE');
        return this.stack.emit({ type: 'rerefused', call: this.id, status: 491 });
      case 'hangup':
        this.server?.refuse(480, { headers: c.headers });
        return this.finish({ by: 'local' });
    }
  }

  #progress({ status, sdp, reliable }: Extract<CallCommand, { type: 'progress' }>): void {
    const { server } = this;
    if (server === undefined) return;
    const { headers: asked } = server.transaction.request;
    // §13.3.1.1: a provisional response other than 100 makes an early dialog, so it carries the Contact.
    const headers = [contact(this.stack, this.flow(), this.contactUser, this.sips)];
    const demanded = lists(asked, 'require', '100rel');
    // RFC 3262 §3: reliable only where the caller says it knows how, and always where it demands it.
    if (!demanded && !((reliable ?? sdp !== undefined) && lists(asked, 'supported', '100rel'))) {
      const body = server.offerless ? undefined : sdpBody(sdp); // §13.2.1: an offer goes in a reliable response only
      return server.transaction.respond(status, { dialog: true, headers, body });
    }
    // RFC 3262 §5: the first reliable response to an INVITE without offer must carry ours: without one it stays unsaid.
    if (server.offerless && !server.settled && sdp === undefined) return;
    server.reliable ??= this.#reliably(server.transaction);
    if (sdp !== undefined) this.localSdp = sdp;
    server.reliable.send(status, { dialog: true, headers, body: sdpBody(sdp) }, this.stack.now);
  }

  #reliably(t: ServerTransaction): ReliableServer {
    const { timers, config } = this.stack;
    const first = 1 + (config.random(4).readUInt32BE(0) >>> 2);
    return new ReliableServer(timers, t, first, () => {
      const reason = 'SIP;cause=504;text="No PRACK arrived for our reliable response (RFC 3262)"';
      this.server?.refuse(504, { headers: [['Reason', reason]] });
      this.finish({ by: 'timer', reason });
    });
  }

  /** RFC 3262 §3: "If there is an outstanding … provisional response, it matches: 2xx"; else 481. */
  protected override pracked(t: ServerTransaction): void {
    const { server } = this;
    const acknowledged = server?.reliable?.acknowledged(t.request, this.stack.now);
    if (server === undefined || acknowledged === undefined) return t.respond(481);
    const sdp = sdpOf(t.request);
    const wasSettled = server.settled;
    if (acknowledged.hadBody && !wasSettled) {
      // §5: our 18x carried an offer, so the PRACK must carry its answer.
      if (server.offerless && sdp === undefined) {
        t.respond(400, { reason: 'The offer in the 18x wants its answer in the PRACK' });
        return this.early({ type: 'reject', call: this.id, status: 400 });
      }
      server.settled = true;
      // The answer went out reliably and came through: one more description is a new offer.
      if (!server.offerless && sdp !== undefined) return this.#prackOffers(t);
    } else if (sdp !== undefined) return wasSettled ? this.#prackOffers(t) : t.respond(488);
    t.respond(200);
    this.stack.emit({ type: 'pracked', call: this.id, sdp });
    this.exchanged();
  }

  #prackOffers(t: ServerTransaction): void {
    if (this.asked !== undefined) return t.respond(488); // theirs in an UPDATE has no answer yet
    this.stack.emit({ type: 'pracked', call: this.id, sdp: undefined });
    this.takeOffer(t);
  }

  #answer(sdp: string): void {
    const { server } = this;
    if (server === undefined) return;
    // RFC 3262 §3 and §5: neither while a description of ours is not acknowledged, nor while one of theirs has no answer.
    if (server.reliable?.holdsAnswer || this.asked !== undefined) {
      this.#held = sdp;
      return;
    }
    this.state = 'answered';
    const body = server.settled ? undefined : sdp;
    server.answer(this.successParts(body, server.transaction.request), this.stack.now);
    this.#replaced?.command({
      type: 'hangup',
      call: this.#replaced.id,
      headers: [['Reason', REPLACED]],
    });
  }

  protected override exchanged(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && this.state === 'early') this.#answer(held);
  }

  /** §9.2: "If the UAS has not issued a final response …, the UAS … SHOULD immediately respond to the INVITE with a 487". */
  cancelled(cancel: SipRequest): void {
    if (this.state !== 'early') return this.withdrawn();
    this.server?.refuse(487);
    this.stack.emit({ type: 'cancelled', call: this.id, reason: headerText(cancel, 'reason') });
    this.drop();
  }
}
