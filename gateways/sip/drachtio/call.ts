import type { CallEvent, DialOptions } from '../../../src/proto/sip/events.ts';
import type { Flow } from '../../../src/proto/sip/flow.ts';
import type { Capabilities } from '../../../src/proto/sip/inspect.ts';
import { headerText, type SipMessage, type SipRequest, sdpOf } from '../../../src/proto/sip/message.ts';
import type { SipCall } from '../../../src/proto/sip/signalling.ts';
import { parseUri } from '../../../src/proto/sip/uri.ts';
import type { HeaderLine } from '../../../src/proto/sip/write.ts';
import { addressOf, isSamePath, type Party, type Talk } from '../../../src/proto/sip/writers.ts';
import { CallLine, contactLine, flowOf, readWire, type Told } from './line.ts';
import { CallTexts } from './texts.ts';
import { CallTransfers } from './transfers.ts';
import {
  type Acknowledge,
  type Answering,
  headersOf,
  type ReceivedRequest,
  type SentRequest,
  type Wire,
  type WireResponse,
} from './wire.ts';

export interface CallOutside {
  readonly wire: Wire;
  emit(event: CallEvent): void;
  /** Every message of the call, for ladders. */
  message(call: string, dir: 'in' | 'out', flow: Flow, text: string): void;
  /** The dialog now has an id; undefined: the call is over. */
  known(call: DrachtioCall, dialog: string | undefined): void;
  /** 491: how long to wait before the next try, ms (RFC 3261 §14.1). */
  later(run: () => void): void;
  readonly can: Capabilities;
}

const SDP: HeaderLine = ['Content-Type', 'application/sdp'];
const TRIES = 3;

/** One call by way of drachtio-server, either role. A step that comes too late does nothing. */
export class DrachtioCall implements SipCall, Talk {
  readonly id: string;
  readonly party: Party;
  readonly #o: CallOutside;
  readonly #line: CallLine;
  readonly #texts: CallTexts;
  readonly #transfers: CallTransfers;
  #state: 'early' | 'up' | 'ended' = 'early';
  /** The INVITE or UPDATE of the peer that waits for our answer. */
  #asked: Answering | undefined;
  /** Our INVITE while it has no final response. */
  #sent: SentRequest | undefined;
  /** The peer's offer in a 2xx or a re-INVITE's 2xx of ours waits for our answer. */
  #owed: Acknowledge | undefined;
  /** We hung up before there was a dialog to end. */
  #hungUp: readonly HeaderLine[] | undefined;

  private constructor(o: CallOutside, id: string, flow: Flow, party: Party) {
    this.#o = o;
    this.id = id;
    this.party = party;
    this.#line = new CallLine(o, id, flow);
    const user = { line: this.#line, isUp: () => this.#state === 'up', tell: (e: Told) => this.#tell(e) };
    this.#texts = new CallTexts(user, o.can);
    this.#transfers = new CallTransfers(user);
  }

  static incoming(
    o: CallOutside,
    id: string,
    invite: SipRequest,
    request: ReceivedRequest,
    response: Answering,
  ): DrachtioCall {
    const party = { peer: addressOf(invite.from.uri), us: [invite.uri.user] };
    const call = new DrachtioCall(o, id, flowOf(request), party);
    call.#asked = response;
    request.on('cancel', cancel => {
      call.#line.heard(cancel);
      if (call.#state !== 'early') return;
      const m = readWire(cancel);
      call.#over({ type: 'cancelled', reason: m && headerText(m, 'reason') });
    });
    return call;
  }

  static dial(o: CallOutside, id: string, flow: Flow, options: DialOptions): DrachtioCall {
    const to = parseUri(options.to);
    const party = { peer: to && addressOf(to), us: [options.user, parseUri(options.from ?? '')?.user] };
    const call = new DrachtioCall(o, id, flow, party);
    call.#invite(options);
    return call;
  }

  // ---------------------------------------------------------------- what the application does

  progress(status: number, sdp?: string, reliable?: boolean): void {
    if (this.#state !== 'early') return;
    const lines: HeaderLine[] = [
      ...(sdp ? [SDP] : []),
      ...(reliable ? [['Require', '100rel'] as const] : []),
    ];
    this.#line.answer(this.#asked, status, { headers: headersOf(lines), body: sdp });
  }

  answer(sdp: string): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    this.#asked = undefined;
    if (this.#state === 'early') this.#state = 'up';
    this.#line.answer(
      asked,
      200,
      { headers: headersOf([SDP, ...this.#line.contact]), body: sdp },
      message => {
        if (this.#line.contact.length === 0) this.#line.contact = contactLine(message);
        if (this.#line.dialog !== undefined) return;
        this.#has(asked.stackDialogId);
        if (this.#hungUp !== undefined) this.#bye(); // before the answer had gone out
      },
    );
  }

  reject(status: number, o: { reason?: string; headers?: readonly HeaderLine[] } = {}): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    this.#asked = undefined;
    this.#line.answer(asked, status, {
      ...(o.reason && { reason: o.reason }),
      headers: headersOf(o.headers),
    });
    if (this.#state === 'early') this.#over({ type: 'ended', by: 'local' });
  }

  acknowledge(sdp: string): void {
    this.#owed?.({ body: sdp, headers: headersOf([SDP]) });
    this.#owed = undefined;
    this.#state = 'up';
  }

  reinvite(sdp: string | null, method: 'INVITE' | 'UPDATE' | 'auto' = 'auto', tries = TRIES): void {
    if (this.#state !== 'up' || (method === 'UPDATE' && sdp === null))
      return this.#tell({ type: 'rerefused', status: 491 });
    const use = method === 'UPDATE' ? 'UPDATE' : 'INVITE';
    const lines = [...(sdp === null ? [] : [SDP]), ...this.#line.contact];
    this.#line.ask(use, lines, sdp ?? undefined, (response, acknowledge) => {
      if (response.status < 200) return;
      if (response.status === 491 && tries > 1)
        return this.#o.later(() => this.#state === 'up' && this.reinvite(sdp, method, tries - 1));
      if (response.status >= 300) return this.#tell({ type: 'rerefused', status: response.status });
      const owed = sdp === null;
      if (owed) this.#owed = acknowledge;
      else if (use === 'INVITE') acknowledge();
      this.#tell({ type: 'reanswered', sdp: response.body || undefined, owed });
    });
  }

  info(contentType: string, content: string): void {
    if (this.#state === 'up') this.#line.ask('INFO', [['Content-Type', contentType]], content, () => {});
  }

  message(content: string): void {
    this.#texts.send(content);
  }

  answerMessage(id: number, status: number, o?: Parameters<SipCall['answerMessage']>[2]): void {
    this.#texts.answer(id, status, o);
  }

  refer(id: string, to: string, o?: Parameters<SipCall['refer']>[2]): void {
    this.#transfers.ask(id, to, o);
  }

  acceptRefer(id: number): void {
    this.#transfers.accept(id);
  }

  refuseRefer(id: number, status: number, o?: Parameters<SipCall['refuseRefer']>[2]): void {
    this.#transfers.refuse(id, status, o);
  }

  notify(id: number, status: number, reason?: string): void {
    this.#transfers.notify(id, status, reason);
  }

  hangup(headers: readonly HeaderLine[] = []): void {
    if (this.#state === 'ended' || this.#hungUp !== undefined) return;
    this.#hungUp = headers;
    if (this.#state === 'early' && this.#asked !== undefined) return this.reject(480, { headers });
    if (this.#sent !== undefined) return this.#sent.cancel({ headers: headersOf(headers) }, () => {});
    this.#bye();
  }

  // ---------------------------------------------------------------- what the peer does

  /** A request inside the dialog, or a text of the peer's that came outside of it. */
  receive(request: ReceivedRequest, response: Answering): void {
    if (request.stackDialogId !== undefined && request.source === 'network')
      this.#line.flow = flowOf(request);
    this.#line.heard(request);
    const m = readWire(request);
    if (m === undefined) return this.#line.answer(response, 400, {});
    switch (request.method) {
      case 'INVITE':
        if (this.#asked !== undefined) return this.#line.answer(response, 491, {});
        this.#asked = response;
        return this.#tell({ type: 'offer', sdp: sdpOf(m) });
      case 'UPDATE':
        if (sdpOf(m) === undefined)
          return this.#line.answer(response, 200, { headers: headersOf(this.#line.contact) });
        if (this.#asked !== undefined) return this.#line.answer(response, 491, {});
        this.#asked = response;
        return this.#tell({ type: 'offer', sdp: sdpOf(m) });
      case 'ACK':
        return this.#tell({ type: 'confirmed', sdp: sdpOf(m) });
      case 'PRACK':
        this.#line.answer(response, 200, {});
        return this.#tell({ type: 'pracked', sdp: sdpOf(m) });
      case 'INFO':
        return this.#info(m, response);
      case 'MESSAGE':
        return this.#texts.receive(m, response);
      case 'REFER':
        return this.#transfers.receive(m, response);
      case 'NOTIFY':
        return this.#transfers.notified(m, response);
      case 'BYE':
        this.#line.answer(response, 200, {});
        return this.#over({
          type: 'ended',
          by: request.source === 'application' ? 'timer' : 'remote',
          reason: headerText(m, 'reason'),
        });
      default:
        return this.#line.answer(response, 200, {});
    }
  }

  /** The connection to drachtio-server is gone, and with it every dialog. */
  lost(): void {
    if (this.#state !== 'ended') this.#over({ type: 'ended', by: 'transport' });
  }

  #info(m: SipMessage, response: Answering): void {
    const contentType = (m.headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();
    const { infoTypes } = this.#o.can;
    if (!infoTypes.includes(contentType))
      return this.#line.answer(response, 415, { headers: { Accept: infoTypes.join(', ') } });
    this.#line.answer(response, 200, {});
    this.#tell({ type: 'info', contentType, content: m.body.toString('utf8') });
  }

  // ---------------------------------------------------------------- our own INVITE

  #invite(o: DialOptions): void {
    const { wire } = this.#o;
    const lines: HeaderLine[] = [...(o.sdp === undefined ? [] : [SDP]), ...(o.headers ?? [])];
    const from = o.from ?? `sip:${o.user}@localhost`; // drachtio-server writes its own address there
    const headers = {
      ...headersOf(lines),
      From: o.display ? `"${o.display.replace(/["\\]/g, '')}" <${from}>` : `<${from}>`,
    };
    const proxy = o.flow && `sip:${o.flow.host}:${o.flow.port};transport=${o.flow.transport}`;
    wire.request(
      {
        method: 'INVITE',
        uri: o.to,
        headers,
        body: o.sdp,
        ...(proxy && { proxy }),
        ...(o.credentials && { auth: o.credentials }),
      },
      (error, request) => {
        if (request === undefined) return this.#failed(503, error?.message ?? 'not sent', undefined);
        this.#line.said(request);
        this.#line.contact = contactLine(request);
        this.#sent = request;
        request.on('response', (response, acknowledge) => this.#invited(o, response, acknowledge));
        if (this.#hungUp !== undefined) request.cancel({ headers: headersOf(this.#hungUp) }, () => {});
      },
    );
  }

  #invited(o: DialOptions, response: WireResponse, acknowledge: Acknowledge): void {
    this.#line.heard(response);
    const { status } = response;
    const sdp = response.body || undefined;
    const m = readWire(response);
    if (status === 100) return this.#tell({ type: 'trying' });
    if (status < 200) {
      if (m?.headers.get('rseq') !== undefined) acknowledge();
      return this.#tell({ type: 'progress', status, sdp, toTag: m?.to.params.get('tag') });
    }
    this.#sent = undefined;
    if (m?.kind !== 'response' || status >= 300)
      return this.#failed(status, response.reason, m?.kind === 'response' ? m : undefined);
    this.#has(response.stackDialogId);
    const owed = o.sdp === undefined;
    if (owed && this.#hungUp === undefined) this.#owed = acknowledge;
    else acknowledge();
    this.#state = 'up';
    // RFC 3261 §15: a 2xx that crossed our CANCEL is acknowledged and ended.
    if (this.#hungUp !== undefined) return this.#bye();
    this.#tell({ type: 'answered', sdp, owed, response: m });
  }

  #failed(
    status: number,
    reason: string,
    response: Extract<SipMessage, { kind: 'response' }> | undefined,
  ): void {
    this.#over({ type: 'failed', status, reason, response });
  }

  // ---------------------------------------------------------------- the wire

  #bye(): void {
    this.#owed?.();
    this.#owed = undefined;
    const over = (): void => this.#over({ type: 'ended', by: 'local' });
    this.#line.ask('BYE', this.#hungUp ?? [], undefined, over, over);
  }

  #has(dialog: string | undefined): void {
    this.#line.dialog = dialog;
    this.#o.known(this, dialog);
  }

  #tell(event: Told): void {
    if (this.#state !== 'ended') this.#o.emit({ ...event, call: this.id } as CallEvent);
  }

  #over(event: Told): void {
    if (this.#state === 'ended') return;
    this.#tell(event);
    this.#state = 'ended';
    this.#o.known(this, undefined);
  }

  comesBy(flow: Flow): boolean {
    return isSamePath(this.#line.flow, flow);
  }

  /** The id its requests come under. */
  get dialog(): string | undefined {
    return this.#line.dialog;
  }
}
