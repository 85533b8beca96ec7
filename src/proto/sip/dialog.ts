import { parseNameAddr, tagOf } from './address.ts';
import { type Flow, flowOfUri } from './flow.ts';
import { contactOf, type SipMessage, type SipRequest, type SipResponse } from './message.ts';
import { type DialogSnapshot, flowOf, SEQ_SLACK } from './snapshot.ts';
import { parseUri, type Uri } from './uri.ts';
import type { OutgoingRequest } from './write.ts';

/** What in-dialog requests carry besides what the dialog knows. */
export type DialogRequest = Omit<OutgoingRequest, 'via'>;

/** RFC 3261 §12: the state two user agents share. Tags, sequence numbers, route set, remote target, and the flow. */
export class Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** From and To of our requests, tags included. */
  readonly #local: string;
  readonly #remote: string;
  readonly routes: readonly string[];
  target: Uri;
  localSeq: number;
  remoteSeq: number | undefined;
  /** The path the peer's last request came by; undefined until it sent one. */
  peerFlow: Flow | undefined;
  /** The path our first request went by. */
  readonly #ownFlow: Flow | undefined;

  private constructor(p: {
    callId: string;
    localTag: string;
    remoteTag: string;
    local: string;
    remote: string;
    routes: readonly string[];
    target: Uri;
    localSeq: number;
    remoteSeq: number | undefined;
    peerFlow: Flow | undefined;
    ownFlow: Flow | undefined;
  }) {
    this.callId = p.callId;
    this.localTag = p.localTag;
    this.remoteTag = p.remoteTag;
    this.#local = p.local;
    this.#remote = p.remote;
    this.routes = p.routes;
    this.target = p.target;
    this.localSeq = p.localSeq;
    this.remoteSeq = p.remoteSeq;
    this.peerFlow = p.peerFlow;
    this.#ownFlow = p.ownFlow;
  }

  /** §12.1.1, the called side. Undefined when the INVITE has no usable Contact. */
  static ofRequest(invite: SipRequest, localTag: string, flow: Flow): Dialog | undefined {
    const target = contactOf(invite)?.uri;
    if (target === undefined || !isSip(target)) return undefined;
    return new Dialog({
      callId: invite.callId,
      localTag,
      remoteTag: tagOf(invite.from) ?? '',
      local: tagOf(invite.to) === undefined ? `${invite.to.raw};tag=${localTag}` : invite.to.raw,
      remote: invite.from.raw,
      // "The route set MUST be set to the list of URIs in the Record-Route header field from the request, taken in order".
      routes: invite.headers.list('record-route') ?? [],
      target,
      localSeq: 0,
      remoteSeq: invite.cseq,
      peerFlow: flow,
      ownFlow: undefined,
    });
  }

  /** §12.1.2, the calling side. A 2xx without usable Contact is answered where the INVITE went. */
  static ofResponse(invite: OutgoingRequest, r: SipResponse, flow: Flow): Dialog {
    const contact = contactOf(r)?.uri;
    const target = contact !== undefined && isSip(contact) ? contact : (parseUri(invite.uri) as Uri);
    return new Dialog({
      callId: r.callId,
      localTag: tagOf(r.from) ?? '',
      remoteTag: tagOf(r.to) ?? '',
      local: r.from.raw,
      remote: r.to.raw,
      // "… from the response, taken in reverse order".
      routes: (r.headers.list('record-route') ?? []).reverse(),
      target,
      localSeq: invite.cseq,
      remoteSeq: undefined,
      peerFlow: undefined,
      ownFlow: flow,
    });
  }

  /** A dialog of a process that is gone; only for ending it. Undefined when its target is no SIP URI. */
  static restored(s: DialogSnapshot): Dialog | undefined {
    const target = parseUri(s.target);
    if (target === undefined || !isSip(target)) return undefined;
    const localSeq = s.localSeq + SEQ_SLACK;
    return new Dialog({ ...s, target, localSeq, peerFlow: flowOf(s.flow), ownFlow: undefined });
  }

  snapshot(contact: string | undefined): DialogSnapshot {
    const { callId, localTag, remoteTag, routes, localSeq, remoteSeq } = this;
    const path = this.peerFlow ?? this.#ownFlow;
    const flow = path && pathOf(path);
    const ends = { local: this.#local, remote: this.#remote, target: this.target.raw };
    return { v: 1, callId, localTag, remoteTag, ...ends, routes, localSeq, remoteSeq, flow, contact };
  }

  /** The 2xx of a branch that rang: numbers and path go on. */
  continue(early: Dialog): void {
    this.localSeq = early.localSeq;
    this.remoteSeq = early.remoteSeq;
    this.peerFlow = early.peerFlow;
  }

  /** §12.2.2: "if the remote sequence number was not empty, but the sequence number of the request is lower": out of order. */
  accepts(request: SipRequest, flow: Flow): boolean {
    if (this.remoteSeq !== undefined && request.cseq < this.remoteSeq) return false;
    this.remoteSeq = request.cseq;
    this.peerFlow = flow;
    return true;
  }

  /** §12.2.1.2, §12.2.2: a target refresh (INVITE, its 2xx) replaces the remote target. */
  refresh(m: SipMessage): void {
    const target = contactOf(m)?.uri;
    if (target !== undefined && isSip(target)) this.target = target;
  }

  /** §12.2.1.1: a request within the dialog. `cseq`: an ACK takes that of its INVITE; otherwise the next. */
  request(method: string, cseq = ++this.localSeq): DialogRequest {
    const { uri, routes } = this.#path();
    const { callId } = this;
    return { method, uri, from: this.#local, to: this.#remote, callId, cseq, routes, headers: [] };
  }

  /** Loose routing, or the strict kind of RFC 2543 when the first route has no `lr`. */
  #path(): { uri: string; routes: readonly string[] } {
    const uri = targetUri(this.target);
    const first = this.routes[0] === undefined ? undefined : parseNameAddr(this.routes[0]);
    if (first === undefined || first.uri.params.has('lr')) return { uri, routes: this.routes };
    return { uri: first.uri.raw, routes: [...this.routes.slice(1), `<${uri}>`] };
  }

  /**
   * Where the next request goes: the flow the peer last used while it lives (NAT lets nothing else through), else our
   * own flow if the next hop is behind it, else the next hop's address.
   */
  flow(lives: (f: Flow) => boolean): Flow {
    if (this.peerFlow !== undefined && lives(this.peerFlow)) return this.peerFlow;
    const first = this.routes[0] === undefined ? undefined : parseNameAddr(this.routes[0])?.uri;
    const hop = flowOfUri(first ?? this.target);
    const own = this.#ownFlow;
    if (own?.transport === hop.transport && own.host === hop.host && lives(own)) {
      if (own.transport !== 'udp' || own.port === hop.port) return own;
    }
    return hop;
  }
}

/** What of a flow is worth keeping. */
const pathOf = ({ transport, host, port, listener, name }: Flow): NonNullable<DialogSnapshot['flow']> => ({
  ...{ transport, host, port },
  ...(listener !== undefined && { listener }),
  ...(name !== undefined && { name }),
});

/** §19.1.1: a Contact's `method` and headers do not go into a Request-URI. */
const targetUri = (u: Uri): string =>
  u.headers === undefined ? u.raw : u.raw.slice(0, u.raw.indexOf('?', u.raw.indexOf('@') + 1));

const isSip = (u: Uri): boolean => u.scheme === 'sip' || u.scheme === 'sips';
