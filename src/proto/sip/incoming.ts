import { Dialog } from './dialog.ts';
import type { CallCommand } from './events.ts';
import type { Flow } from './flow.ts';
import { headerText, type SipRequest, sdpOf } from './message.ts';
import { Session } from './session.ts';
import { contact, type Stack } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import { sdpBody } from './write.ts';

/** A call to us: RFC 3261 §13.3. */
export class IncomingCall extends Session {
  readonly localTag: string;
  readonly contactUser: string | undefined;
  readonly ownsCallId = false;

  constructor(stack: Stack, id: string, t: ServerTransaction, flow: Flow, removed: (s: Session) => void) {
    super(stack, id, removed);
    this.localTag = t.toTag;
    this.contactUser = t.request.uri.user;
    this.dialog = Dialog.ofRequest(t.request, t.toTag, flow);
    t.call = id;
    this.server = this.serve(t);
    stack.emit({ type: 'invite', call: id, request: t.request, flow, sdp: sdpOf(t.request) });
  }

  /** 100 at once (RFC 3261 §17.2.1 allows 200 ms): the caller stops resending. */
  trying(): void {
    this.server?.transaction.respond(100);
  }

  protected early(c: CallCommand): void {
    switch (c.type) {
      case 'progress': {
        // §13.3.1.1: a provisional response other than 100 makes an early dialog, so it carries the Contact.
        const headers = [contact(this.stack, this.flow(), this.contactUser)];
        this.server?.transaction.respond(c.status, { dialog: true, headers, body: sdpBody(c.sdp) });
        return;
      }
      case 'answer':
        this.state = 'answered';
        this.server?.answer(this.successParts(c.sdp), this.stack.now);
        return;
      case 'reject':
        this.server?.refuse(c.status, { reason: c.reason, headers: c.headers });
        return this.finish({ by: 'local' });
      case 'hangup':
        this.server?.refuse(480, { headers: c.headers });
        return this.finish({ by: 'local' });
    }
  }

  /** §9.2: "If the UAS has not issued a final response …, the UAS … SHOULD immediately respond to the INVITE with a 487". */
  cancelled(cancel: SipRequest): void {
    if (this.state !== 'early') return this.withdrawn();
    this.server?.refuse(487);
    this.stack.emit({ type: 'cancelled', call: this.id, reason: headerText(cancel, 'reason') });
    this.drop();
  }
}
