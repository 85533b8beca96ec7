import { tagOf } from './address.ts';
import { Dialog } from './dialog.ts';
import type { CallCommand, DialOptions } from './events.ts';
import { flowOfUri } from './flow.ts';
import { quote } from './grammar.ts';
import { InviteClient, type InviteClientUser } from './invite-client.ts';
import { type SipResponse, sdpOf } from './message.ts';
import { RequestClient } from './request-client.ts';
import { Session } from './session.ts';
import { contact, newTag, offers, type Stack } from './stack.ts';
import { escapeUser, parseUri, type Uri } from './uri.ts';
import { bracketed, reasonPhrase, sdpBody } from './write.ts';

/** A call of ours: RFC 3261 §13.2. */
export class OutgoingCall extends Session {
  readonly localTag: string;
  readonly contactUser: string;
  readonly ownsCallId = true;
  readonly #offered: boolean;
  readonly #invite: InviteClient;
  #seq = 1;

  /** `to` must be a SIP URI: see `dialTarget`. */
  constructor(stack: Stack, id: string, to: Uri, o: DialOptions, removed: (s: Session) => void) {
    super(stack, id, removed);
    this.localTag = newTag(stack);
    this.contactUser = escapeUser(o.user);
    this.credentials = o.credentials;
    this.#offered = o.sdp !== undefined;
    const flow = o.flow ?? flowOfUri(to);
    const { host } = stack.config.local(flow);
    const display = o.display === undefined ? '' : `${quote(o.display)} `;
    const request = {
      method: 'INVITE',
      uri: to.raw,
      from: `${display}<sip:${this.contactUser}@${bracketed(host)}>;tag=${this.localTag}`,
      to: `<${to.raw}>`,
      callId: `${newTag(stack)}${newTag(stack)}@${bracketed(host)}`,
      cseq: this.#seq,
      routes: [],
      headers: [
        contact(stack, flow, this.contactUser),
        ...offers(stack),
        ['User-Agent', stack.config.name] as const,
        ...(o.headers ?? []),
      ],
      body: sdpBody(o.sdp),
    };
    this.#invite = new InviteClient(stack, id, request, {
      flow,
      credentials: o.credentials,
      user: this.#user(),
    });
  }

  start(): void {
    this.#invite.start();
  }

  #user(): InviteClientUser {
    return {
      progress: r => this.#progress(r),
      accepted: (r, by) => this.#accepted(r, by),
      forked: (r, by) => this.#hangUpFork(r, by),
      refused: (status, r) => this.#failed(status, r),
      nextSeq: () => ++this.#seq,
    };
  }

  protected early(c: CallCommand): void {
    if (c.type === 'hangup') this.#invite.cancel(c.headers);
  }

  /** Only an incoming INVITE can be cancelled while early; later it is a re-INVITE. */
  cancelled(): void {
    this.withdrawn();
  }

  #progress(r: SipResponse): void {
    if (r.status === 100) return;
    const { status } = r;
    this.stack.emit({ type: 'progress', call: this.id, status, sdp: sdpOf(r), toTag: tagOf(r.to) });
  }

  #accepted(r: SipResponse, client: InviteClient): void {
    this.dialog = Dialog.ofResponse(client.request, r, client.flow);
    this.state = 'up';
    if (client.cancelled) {
      // §9.1, §15: the 200 crossed our CANCEL: the call stands, so it is acknowledged and hung up.
      this.acknowledge(client, undefined);
      this.#report(487, undefined);
      this.told();
      return this.bye([], { by: 'local' });
    }
    const sdp = sdpOf(r);
    const owed = !this.#offered && sdp !== undefined;
    if (owed) this.owed = client;
    else this.acknowledge(client, undefined);
    this.stack.emit({ type: 'answered', call: this.id, sdp, owed, response: r });
  }

  /** §13.2.2.4: every 2xx makes a dialog of its own; those after the first are acknowledged and ended. */
  #hangUpFork(r: SipResponse, invite: InviteClient): void {
    const dialog = Dialog.ofResponse(invite.request, r, invite.flow);
    this.acknowledge(invite, undefined, dialog);
    new RequestClient(this.stack, dialog.request('BYE'), {
      flow: this.flow(dialog),
      call: this.id,
      credentials: this.credentials,
      nextSeq: () => ++dialog.localSeq,
      done() {},
    });
  }

  #failed(status: number, r: SipResponse | undefined): void {
    this.#report(status, r);
    this.drop();
  }

  #report(status: number, response: SipResponse | undefined): void {
    const reason = response?.reason || reasonPhrase(status);
    this.stack.emit({ type: 'failed', call: this.id, status, reason, response });
  }
}

/** The URI to dial, or undefined when it is none of SIP. */
export function dialTarget(to: string): Uri | undefined {
  const uri = parseUri(to);
  return uri?.scheme === 'sip' && uri.headers === undefined ? uri : undefined;
}
