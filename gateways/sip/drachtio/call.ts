import { parseNameAddr } from '../../../src/proto/sip/address.ts';
import type { CallEvent, DialOptions } from '../../../src/proto/sip/events.ts';
import { type Flow, flowTo, type Transport } from '../../../src/proto/sip/flow.ts';
import { type Capabilities, inspect } from '../../../src/proto/sip/inspect.ts';
import { headerText, type SipMessage, sdpOf } from '../../../src/proto/sip/message.ts';
import { TEXT_TYPE } from '../../../src/proto/sip/messages.ts';
import { parseMessage } from '../../../src/proto/sip/parse.ts';
import { type Replaces, referTarget, referTo } from '../../../src/proto/sip/replaces.ts';
import type { SipCall } from '../../../src/proto/sip/signalling.ts';
import { plainText } from '../../../src/proto/sip/text-body.ts';
import type { HeaderLine } from '../../../src/proto/sip/write.ts';
import {
  type Acknowledge,
  type Answering,
  headersOf,
  type ReceivedRequest,
  type SentRequest,
  type Wire,
  type WireMessage,
  type WireResponse,
} from './wire.ts';

type Tell = CallEvent extends infer E ? (E extends CallEvent ? Omit<E, 'call'> : never) : never;

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
/** Texts of the peer that wait for our answer at once. */
const MAX_WRITTEN = 16;

/** What was sent, as a message of ours. */
export function readWire(m: WireMessage): SipMessage | undefined {
  const parsed = parseMessage(Buffer.from(m.raw, 'utf8'));
  return parsed.ok ? parsed.message : undefined;
}

export const flowOf = (r: ReceivedRequest): Flow =>
  flowTo(r.protocol as Transport, r.source_address, r.source_port);

/** One call by way of drachtio-server, either role. A step that comes too late does nothing. */
export class DrachtioCall implements SipCall {
  readonly id: string;
  readonly #o: CallOutside;
  #flow: Flow;
  #state: 'early' | 'up' | 'ended' = 'early';
  #dialog: string | undefined;
  /** Our Contact as drachtio-server wrote it: later offers carry it too. */
  #contact: HeaderLine[] = [];
  /** The INVITE or UPDATE of the peer that waits for our answer. */
  #asked: Answering | undefined;
  /** Our INVITE while it has no final response. */
  #sent: SentRequest | undefined;
  /** The peer's offer in a 2xx or a re-INVITE's 2xx of ours waits for our answer. */
  #owed: Acknowledge | undefined;
  /** We hung up before there was a dialog to end. */
  #hungUp: readonly HeaderLine[] | undefined;
  #refers = 0;
  readonly #referring = new Map<number, Answering>();
  #texts = 0;
  /** Texts that wait for our answer. */
  readonly #written = new Map<number, Answering>();
  #referred: string | undefined;

  private constructor(o: CallOutside, id: string, flow: Flow) {
    this.#o = o;
    this.id = id;
    this.#flow = flow;
  }

  static incoming(o: CallOutside, id: string, request: ReceivedRequest, response: Answering): DrachtioCall {
    const call = new DrachtioCall(o, id, flowOf(request));
    call.#asked = response;
    request.on('cancel', cancel => {
      call.#heard(cancel);
      if (call.#state !== 'early') return;
      const m = readWire(cancel);
      call.#over({ type: 'cancelled', reason: m && headerText(m, 'reason') });
    });
    return call;
  }

  static dial(o: CallOutside, id: string, flow: Flow, options: DialOptions): DrachtioCall {
    const call = new DrachtioCall(o, id, flow);
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
    this.#answerWith(this.#asked, status, { headers: headersOf(lines), body: sdp });
  }

  answer(sdp: string): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    this.#asked = undefined;
    if (this.#state === 'early') this.#state = 'up';
    this.#answerWith(asked, 200, { headers: headersOf([SDP, ...this.#contact]), body: sdp }, message => {
      if (this.#contact.length === 0) this.#contact = contactLine(message);
      if (this.#dialog !== undefined) return;
      this.#has(asked.stackDialogId);
      if (this.#hungUp !== undefined) this.#bye(); // before the answer had gone out
    });
  }

  reject(status: number, o: { reason?: string; headers?: readonly HeaderLine[] } = {}): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    this.#asked = undefined;
    this.#answerWith(asked, status, { ...(o.reason && { reason: o.reason }), headers: headersOf(o.headers) });
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
    const lines = [...(sdp === null ? [] : [SDP]), ...this.#contact];
    this.#ask(use, lines, sdp ?? undefined, (response, acknowledge) => {
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
    if (this.#state === 'up') this.#ask('INFO', [['Content-Type', contentType]], content, () => {});
  }

  message(content: string): void {
    if (this.#state !== 'up') return;
    const answered = (status: number): void => {
      if (status >= 200) this.#tell({ type: 'messaged', status });
    };
    const lines: HeaderLine[] = [['Content-Type', TEXT_TYPE]];
    this.#ask(
      'MESSAGE',
      lines,
      content,
      ({ status }) => answered(status),
      () => answered(503),
    );
  }

  answerMessage(id: number, status: number, o: Parameters<SipCall['answerMessage']>[2] = {}): void {
    const reason = o.reason && { reason: o.reason };
    this.#answerWith(this.#written.get(id), status, { ...reason, headers: headersOf(o.headers) });
    this.#written.delete(id);
  }

  refer(id: string, to: string, o: { replaces?: Replaces; headers?: readonly HeaderLine[] } = {}): void {
    if (this.#state !== 'up') return;
    this.#referred = id;
    const lines: HeaderLine[] = [
      ['Refer-To', referTo(to, o.replaces)],
      ...this.#contact,
      ...(o.headers ?? []),
    ];
    this.#ask('REFER', lines, undefined, ({ status }) => {
      if (status >= 300) this.#tell({ type: 'referred', id, status, done: true });
    });
  }

  acceptRefer(id: number): void {
    this.#answerWith(this.#referring.get(id), 202, { headers: headersOf(this.#contact) });
  }

  refuseRefer(
    id: number,
    status: number,
    o: { reason?: string; headers?: readonly HeaderLine[] } = {},
  ): void {
    const reason = o.reason && { reason: o.reason };
    this.#answerWith(this.#referring.get(id), status, { ...reason, headers: headersOf(o.headers) });
    this.#referring.delete(id);
  }

  notify(id: number, status: number, reason = ''): void {
    if (!this.#referring.has(id) || this.#state !== 'up') return;
    const over = status >= 200;
    if (over) this.#referring.delete(id);
    const lines: HeaderLine[] = [
      ['Event', 'refer'],
      ['Subscription-State', over ? 'terminated;reason=noresource' : 'active;expires=60'],
      ['Content-Type', 'message/sipfrag;version=2.0'],
      ...this.#contact,
    ];
    this.#ask('NOTIFY', lines, `SIP/2.0 ${status} ${reason}\r\n`, () => {});
  }

  hangup(headers: readonly HeaderLine[] = []): void {
    if (this.#state === 'ended' || this.#hungUp !== undefined) return;
    this.#hungUp = headers;
    if (this.#state === 'early' && this.#asked !== undefined) return this.reject(480, { headers });
    if (this.#sent !== undefined) return this.#sent.cancel({ headers: headersOf(headers) }, () => {});
    this.#bye();
  }

  // ---------------------------------------------------------------- what the peer does

  /** A request inside the dialog. */
  receive(request: ReceivedRequest, response: Answering): void {
    this.#heard(request);
    const m = readWire(request);
    if (m === undefined) return this.#answerWith(response, 400, {});
    switch (request.method) {
      case 'INVITE':
        if (this.#asked !== undefined) return this.#answerWith(response, 491, {});
        this.#asked = response;
        return this.#tell({ type: 'offer', sdp: sdpOf(m) });
      case 'UPDATE':
        if (sdpOf(m) === undefined)
          return this.#answerWith(response, 200, { headers: headersOf(this.#contact) });
        if (this.#asked !== undefined) return this.#answerWith(response, 491, {});
        this.#asked = response;
        return this.#tell({ type: 'offer', sdp: sdpOf(m) });
      case 'ACK':
        return this.#tell({ type: 'confirmed', sdp: sdpOf(m) });
      case 'PRACK':
        this.#answerWith(response, 200, {});
        return this.#tell({ type: 'pracked', sdp: sdpOf(m) });
      case 'INFO':
        return this.#info(m, response);
      case 'MESSAGE':
        return this.#onMessage(m, response);
      case 'REFER':
        return this.#onRefer(m, response);
      case 'NOTIFY':
        return this.#onNotify(m, response);
      case 'BYE':
        this.#answerWith(response, 200, {});
        return this.#over({
          type: 'ended',
          by: request.source === 'application' ? 'timer' : 'remote',
          reason: headerText(m, 'reason'),
        });
      default:
        return this.#answerWith(response, 200, {});
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
      return this.#answerWith(response, 415, { headers: { Accept: infoTypes.join(', ') } });
    this.#answerWith(response, 200, {});
    this.#tell({ type: 'info', contentType, content: m.body.toString('utf8') });
  }

  #onMessage(m: SipMessage, response: Answering): void {
    const refusal = m.kind === 'request' ? inspect(m, this.#o.can) : undefined;
    if (refusal !== undefined)
      return this.#answerWith(response, refusal.status, { headers: headersOf(refusal.headers) });
    const text = plainText(m) ?? '';
    if (text === '') return this.#answerWith(response, 200, {});
    if (this.#state !== 'up')
      return this.#answerWith(response, 403, { reason: 'No texts before the answer' });
    if (this.#written.size >= MAX_WRITTEN)
      return this.#answerWith(response, 500, {
        reason: 'Too Many Texts At Once',
        headers: { 'Retry-After': '5' },
      });
    const id = ++this.#texts;
    this.#written.set(id, response);
    this.#tell({ type: 'message', id, text });
  }

  #onRefer(m: SipMessage, response: Answering): void {
    const address = parseNameAddr(m.headers.get('refer-to') ?? '');
    const target = address && referTarget(address.uri);
    if (target === undefined) return this.#answerWith(response, 400, {});
    const id = ++this.#refers;
    this.#referring.set(id, response);
    this.#tell({ type: 'refer', id, ...target, referredBy: headerText(m, 'referred-by') });
  }

  #onNotify(m: SipMessage, response: Answering): void {
    this.#answerWith(response, 200, {});
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(m.body.toString('latin1'))?.[1]);
    if (this.#referred === undefined || !Number.isInteger(status)) return;
    const done = status >= 200 || /^terminated/i.test(m.headers.get('subscription-state') ?? '');
    this.#tell({ type: 'referred', id: this.#referred, status, done });
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
        this.#say(request);
        this.#contact = contactLine(request);
        this.#sent = request;
        request.on('response', (response, acknowledge) => this.#invited(o, response, acknowledge));
        if (this.#hungUp !== undefined) request.cancel({ headers: headersOf(this.#hungUp) }, () => {});
      },
    );
  }

  #invited(o: DialOptions, response: WireResponse, acknowledge: Acknowledge): void {
    this.#heard(response);
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

  #ask(
    method: string,
    lines: readonly HeaderLine[],
    body: string | undefined,
    on: (response: WireResponse, acknowledge: Acknowledge) => void,
    unsent = (): void => {}, // the dialog ended at that moment: its BYE says so
  ): void {
    const stackDialogId = this.#dialog;
    if (stackDialogId === undefined) return;
    const uri = 'sip:of.the.dialog'; // drachtio-server puts the dialog's target in its place
    this.#o.wire.request(
      { method, uri, stackDialogId, headers: headersOf(lines), body },
      (_error, request) => {
        if (request === undefined) return unsent();
        this.#say(request);
        request.on('response', (response, acknowledge) => {
          this.#heard(response);
          on(response, acknowledge);
        });
      },
    );
  }

  #bye(): void {
    this.#owed?.();
    this.#owed = undefined;
    const over = (): void => this.#over({ type: 'ended', by: 'local' });
    this.#ask('BYE', this.#hungUp ?? [], undefined, over, over);
  }

  #answerWith(
    to: Answering | undefined,
    status: number,
    o: { reason?: string; headers?: Record<string, string>; body?: string | undefined },
    sent?: (message: WireMessage) => void,
  ): void {
    to?.send(status, o, (_error, message) => {
      if (message === undefined) return; // cancelled or gone at that moment
      this.#say(message);
      sent?.(message);
    });
  }

  #has(dialog: string | undefined): void {
    this.#dialog = dialog;
    this.#o.known(this, dialog);
  }

  #tell(event: Tell): void {
    if (this.#state !== 'ended') this.#o.emit({ ...event, call: this.id } as CallEvent);
  }

  #over(event: Tell): void {
    if (this.#state === 'ended') return;
    this.#tell(event);
    this.#state = 'ended';
    this.#o.known(this, undefined);
  }

  #heard(m: WireMessage): void {
    this.#o.message(this.id, 'in', this.#flow, m.raw);
  }
  #say(m: WireMessage): void {
    this.#o.message(this.id, 'out', this.#flow, m.raw);
  }

  /** The id its requests come under. */
  get dialog(): string | undefined {
    return this.#dialog;
  }
}

function contactLine(m: WireMessage): HeaderLine[] {
  const contact = readWire(m)?.headers.get('contact');
  return contact === undefined ? [] : [['Contact', contact]];
}
