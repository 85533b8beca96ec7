import { tagOf } from './address.ts';
import { Dialog } from './dialog.ts';
import { type EarlyDialog, EarlyDialogs } from './early-dialogs.ts';
import type { CallCommand, DialOptions } from './events.ts';
import { type Flow, flowOfUri } from './flow.ts';
import { quote } from './grammar.ts';
import { InviteClient, type InviteClientUser } from './invite-client.ts';
import { type SipResponse, sdpOf } from './message.ts';
import { writeReplaces } from './replaces.ts';
import { Session } from './session.ts';
import { newTag, type Stack } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import { escapeUser, parseUri, type Uri } from './uri.ts';
import { bracketed, type HeaderLine, type OutgoingRequest, reasonPhrase, sdpBody } from './write.ts';
import { addressOf, type Party } from './writers.ts';

/** How often an INVITE goes out again after a 422 (RFC 4028 §7.3). */
const MAX_RAISES = 3;
const ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"';

/** A call of ours: RFC 3261 §13.2. */
export class OutgoingCall extends Session {
  readonly localTag: string;
  readonly contactUser: string;
  readonly party: Party;
  readonly ownsCallId = true;
  readonly #offer: string | undefined;
  /** Its branches while it rings. */
  readonly #early = new EarlyDialogs();
  #invite: InviteClient;
  #seq = 1;
  #raises = 0;

  /** `to` must be a SIP URI: see `dialTarget`. */
  constructor(stack: Stack, id: string, to: Uri, o: DialOptions, removed: (s: Session) => void) {
    super(stack, id, removed);
    this.localTag = o.identity?.tag ?? newTag(stack);
    this.contactUser = escapeUser(o.user);
    this.party = { peer: addressOf(to), us: [this.contactUser, parseUri(o.from ?? '')?.user] };
    this.sips = to.scheme === 'sips';
    this.credentials = o.credentials;
    this.#offer = o.sdp;
    const flow = o.flow ?? flowOfUri(to);
    const { host } = stack.config.local(flow);
    const display = o.display === undefined ? '' : `${quote(o.display)} `;
    const request = {
      method: 'INVITE',
      uri: to.raw,
      from: `${display}<${o.from ?? `sip:${this.contactUser}@${bracketed(host)}`}>;tag=${this.localTag}`,
      to: `<${to.raw}>`,
      callId: o.identity?.callId ?? `${newTag(stack)}${newTag(stack)}@${bracketed(host)}`,
      cseq: this.#seq,
      routes: o.routes ?? [],
      headers: [...this.asks(flow), ...replacing(o), ...(o.headers ?? [])],
      body: sdpBody(o.sdp),
    };
    this.#invite = this.#client(request, flow);
  }

  start(): void {
    this.#invite.start();
  }

  #client(request: Omit<OutgoingRequest, 'via'>, flow: Flow): InviteClient {
    const user: InviteClientUser = {
      progress: r => this.#progress(r),
      accepted: (r, by) => this.#accepted(r, by),
      forked: (r, by) => this.#hangUpFork(r, by),
      refused: (status, r) => this.#failed(status, r),
      nextSeq: () => ++this.#seq,
    };
    return new InviteClient(this.stack, this.id, request, { flow, credentials: this.credentials, user });
  }

  override dialogWith(remoteTag: string): Dialog | undefined {
    return super.dialogWith(remoteTag) ?? this.#early.get(remoteTag)?.dialog;
  }

  protected early(c: CallCommand): void {
    switch (c.type) {
      case 'hangup':
        return this.#invite.cancel(c.headers);
      case 'acknowledge': {
        const early = this.#early.find(e => e.owedRack !== undefined);
        return early && this.#prack(early, early.owedRack as string, c.sdp);
      }
      case 'reinvite': {
        // RFC 3311 §5.1: only where the first offer has its answer, and that came reliably.
        const early = this.#early.find(e => e.settled);
        if (early === undefined) return this.stack.emit({ type: 'rerefused', call: this.id, status: 491 });
        this.dialog = early.dialog;
        return this.reoffer(c.sdp, 'UPDATE');
      }
    }
  }

  override request(t: ServerTransaction, flow: Flow, dialog: Dialog): void {
    if (this.state === 'early') this.dialog = dialog;
    super.request(t, flow, dialog);
  }

  protected override unanswered(dialog: Dialog): 'ours' | 'theirs' | undefined {
    const settled = this.state !== 'early' || this.#early.get(dialog.remoteTag)?.settled === true;
    return settled ? super.unanswered(dialog) : 'ours';
  }

  /** Only an incoming INVITE can be cancelled while early; later it is a re-INVITE. */
  cancelled(): void {
    this.withdrawn();
  }

  #progress(r: SipResponse): void {
    if (r.status === 100) return this.stack.emit({ type: 'trying', call: this.id });
    const arrival = this.#early.take(r, this.#invite.request, this.#invite.flow);
    if (arrival.kind === 'again') return;
    this.learn(r);
    const { early } = arrival;
    const sdp = sdpOf(r);
    if (early !== undefined && sdp !== undefined) early.sdp = sdp;
    let owed = false;
    if (arrival.kind === 'reliable') {
      owed = this.#offer === undefined && sdp !== undefined && !arrival.early.settled;
      if (owed) arrival.early.owedRack = arrival.rack;
      else this.#prack(arrival.early, arrival.rack, undefined, sdp !== undefined);
    }
    const { status } = r;
    this.stack.emit({
      type: 'progress',
      call: this.id,
      status,
      sdp,
      toTag: tagOf(r.to),
      ...(owed && { owed }),
    });
  }

  /** RFC 3262 §4. `answer`: ours to the offer in the response. `answered`: theirs was in the response. */
  #prack(early: EarlyDialog, rack: string, answer: string | undefined, answered = true): void {
    early.owedRack = undefined;
    if (answer !== undefined) this.localSdp = answer;
    const parts = { headers: [['RAck', rack] as const], body: sdpBody(answer) };
    this.ask('PRACK', parts, status => (early.settled ||= answered && status < 300), early.dialog);
  }

  #accepted(r: SipResponse, client: InviteClient): void {
    const dialog = Dialog.ofResponse(client.request, r, client.flow);
    const early = this.#early.get(dialog.remoteTag);
    if (early !== undefined) dialog.continue(early.dialog);
    this.dialog = dialog;
    this.state = 'up';
    if (client.cancelled) {
      // §9.1, §15: the 200 crossed our CANCEL: the call stands, so it is acknowledged and hung up.
      this.acknowledge(client, undefined);
      this.#report(487, undefined);
      this.told();
      return this.bye(client.cancelHeaders, { by: 'local' });
    }
    this.learn(r);
    this.timer.agreed(r, this.stack.now);
    this.localSdp = this.#offer ?? this.localSdp;
    const owed = this.#offer === undefined && early?.settled !== true && sdpOf(r) !== undefined;
    if (owed) this.owed = client;
    else this.acknowledge(client, undefined);
    this.note();
    // What a reliable 18x said need not be said again in the 2xx (RFC 3261 §13.2.1).
    const sdp = sdpOf(r) ?? early?.sdp;
    this.stack.emit({ type: 'answered', call: this.id, sdp, owed, response: r });
  }

  /** §13.2.2.4: every 2xx makes a dialog of its own; those after the first are acknowledged and ended. */
  #hangUpFork(r: SipResponse, invite: InviteClient): void {
    const dialog = Dialog.ofResponse(invite.request, r, invite.flow);
    const early = this.#early.get(dialog.remoteTag);
    if (early !== undefined) dialog.continue(early.dialog);
    this.acknowledge(invite, undefined, dialog);
    this.ask('BYE', { headers: [['Reason', ELSEWHERE]] }, () => {}, dialog);
  }

  #failed(status: number, r: SipResponse | undefined): void {
    // RFC 4028 §7.3: the same again with a longer interval.
    if (status === 422 && r !== undefined && this.#raises++ < MAX_RAISES && this.timer.raised(r)) {
      const { request, flow, cancelled } = this.#invite;
      const rest = request.headers.filter(([name]) => name !== 'Session-Expires' && name !== 'Min-SE');
      const headers = [...rest, ...this.timer.asks()];
      if (!cancelled) {
        this.#invite = this.#client({ ...request, cseq: ++this.#seq, headers }, flow);
        return this.#invite.start();
      }
    }
    this.#report(status, r);
    this.drop();
  }

  #report(status: number, response: SipResponse | undefined): void {
    const reason = response?.reason || reasonPhrase(status);
    this.stack.emit({ type: 'failed', call: this.id, status, reason, response });
  }
}

/** RFC 3891 §4; `Require`, for a peer that does not know it would ring instead. */
const replacing = ({ replaces }: DialOptions): HeaderLine[] =>
  replaces === undefined
    ? []
    : [
        ['Replaces', writeReplaces(replaces)],
        ['Require', 'replaces'],
      ];

/** The URI to dial, or undefined when it is none of SIP. */
export function dialTarget(to: string): Uri | undefined {
  const uri = parseUri(to);
  return uri?.scheme === 'sip' && uri.headers === undefined ? uri : undefined;
}
