import type { Core, Millis, Tick } from '../../kit/core.ts';
import { RateLimit, RateLimits } from '../../kit/limits.ts';
import { tagOf } from './address.ts';
import { bury } from './bury.ts';
import type { Dialog } from './dialog.ts';
import { sessionLimits } from './dialog-user.ts';
import type { Command, SipInput, SipOutput } from './events.ts';
import { type Flow, flowOfUri } from './flow.ts';
import { IncomingCall } from './incoming.ts';
import { type Capabilities, inspect, type RequestRefusal, refuseOutside, warning } from './inspect.ts';
import { responseFlow, TransactionLayer } from './layer.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { dialTarget, OutgoingCall } from './outgoing.ts';
import { sendOutside } from './outside.ts';
import { type Malformed, parseMessage } from './parse.ts';
import { Queue } from './queue.ts';
import { parseReplaces, type Replaces } from './replaces.ts';
import { RequestClient } from './request-client.ts';
import { Session } from './session.ts';
import { newTag, type SipConfig, type Stack } from './stack.ts';
import { Timers } from './timers.ts';
import type { ServerTransaction } from './transaction.ts';
import { Wire } from './wire.ts';
import { bracketed, type HeaderLine, markVia, writeResponse } from './write.ts';

const METHODS = [
  ...['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'INFO'],
  ...['PRACK', 'UPDATE', 'REFER', 'NOTIFY'],
];
const EXTENSIONS = ['100rel', 'timer', 'replaces'];
/** Dialogs that ended lately, for INVITEs that come too late to take their place. */
const REMEMBERED = 256;

const ENDED: RequestRefusal = { status: 603, headers: warning('The call to be replaced has ended.') };
const NO_SUCH: RequestRefusal = { status: 481, headers: warning('There is no such call to be replaced.') };

/**
 * A SIP user agent, sans-I/O: datagrams, stream chunks and commands go in, messages to send and call events come out.
 * RFC 3261 with 3262 (PRACK), 3311 (UPDATE), 3428 (MESSAGE within calls), 3515 (REFER), 3581 (rport), 3891 (Replaces), 4028 (session timers),
 * 6026 (accepted state), 6086 (INFO, legacy use).
 */
export class SipEndpoint implements Core<SipInput, SipOutput>, Stack {
  readonly config: SipConfig;
  readonly can: Capabilities;
  readonly told: readonly HeaderLine[];
  readonly timers = new Timers();
  readonly layer: TransactionLayer;
  now: Millis = 0;
  readonly #out = new Queue<SipOutput>();
  readonly #wire: Wire;
  /** Our tag → call, while it lives. */
  readonly #byTag = new Map<string, Session>();
  readonly #byId = new Map<string, Session>();
  readonly #limits: RateLimits;
  readonly #ended: Dialog[] = [];
  #nextEnded = 0;
  #calls = 0;
  /** The message being handled. */
  #bytes: Buffer = Buffer.alloc(0);
  #draining: number | undefined;

  constructor(config: SipConfig) {
    this.config = config;
    const minSeS = sessionLimits(config).minS;
    const infoTypes = config.infoTypes ?? [];
    const methods = config.messages ? [...METHODS, 'MESSAGE'] : METHODS;
    this.can = { methods, extensions: EXTENSIONS, infoTypes, minSeS };
    this.told = [
      ['Allow', methods.join(', ')],
      ['Supported', EXTENSIONS.join(', ')],
    ];
    this.layer = new TransactionLayer(this);
    this.#wire = new Wire(this, (bytes, flow) => this.#message(bytes, flow));
    const perSecond = config.newRequestsPerSecond ?? 200;
    this.#limits = new RateLimits(() => new RateLimit(perSecond, config.newRequestsBurst ?? perSecond * 5));
  }

  get deadline(): Millis {
    return this.timers.deadline;
  }

  /** Calls, transactions and timers alive: all 0 when idle. */
  get load(): { readonly calls: number; readonly transactions: number; readonly timers: number } {
    return { calls: this.#byId.size, transactions: this.layer.size, timers: this.timers.size };
  }

  poll(): SipOutput | undefined {
    return this.#out.take();
  }

  handle(input: SipInput | Tick, now: Millis): void {
    this.now = now;
    switch (input.type) {
      case 'tick':
        return this.timers.ring(now);
      case 'datagram':
        return this.#wire.datagram(input.flow, input.bytes);
      case 'chunk':
        return this.#wire.chunk(input.flow, input.bytes);
      case 'flow-closed':
        this.#wire.closed(input.flow);
        return this.layer.flowClosed(input.flow.id);
      case 'dial':
      case 'ping':
      case 'drain':
      case 'keep-alive':
      case 'request':
      case 'bury':
        return this.#command(input);
      default:
        this.#byId.get(input.call)?.command(input);
    }
  }

  // ---------------------------------------------------------------- what calls and transactions use

  emit(out: SipOutput): void {
    this.#out.add(out);
  }

  send(flow: Flow, bytes: Buffer, call: string | undefined): void {
    this.#wire.used(flow);
    this.emit({ type: 'send', flow, bytes, call });
  }

  lives(flow: Flow): boolean {
    return this.#wire.lives(flow);
  }

  // ---------------------------------------------------------------- commands

  #command(c: Exclude<Command, { call: string }> | Extract<Command, { type: 'dial' }>): void {
    switch (c.type) {
      case 'keep-alive':
        return this.#wire.keepAlive(c.flow, c.everyMs);
      case 'drain':
        this.#draining = c.retryAfterS;
        return;
      case 'ping':
        return this.#ping(c.id, c.to, c.flow);
      case 'request':
        return sendOutside(this, c.id, c.request, c.flow);
      case 'bury':
        return bury(this, c);
      case 'dial': {
        const to = dialTarget(c.options.to);
        if (to === undefined) {
          const reason = 'Not a SIP address';
          return this.emit({ type: 'failed', call: c.call, status: 416, reason, response: undefined });
        }
        const call = new OutgoingCall(this, c.call, to, c.options, s => this.#forget(s));
        this.#keep(call);
        call.start();
      }
    }
  }

  /** §11: OPTIONS as a ping. */
  #ping(id: string, to: string, via: Flow | undefined): void {
    const uri = dialTarget(to);
    if (uri === undefined) return this.emit({ type: 'pong', id, status: 416 });
    const flow = via ?? flowOfUri(uri);
    const host = bracketed(this.config.local(flow).host);
    const request = {
      method: 'OPTIONS',
      uri: uri.raw,
      from: `<sip:ping@${host}>;tag=${newTag(this)}`,
      to: `<${uri.raw}>`,
      callId: `${newTag(this)}@${host}`,
      cseq: 1,
      routes: [],
      headers: [['Accept', 'application/sdp'] as const],
    };
    const done = (status: number): void => this.emit({ type: 'pong', id, status });
    let seq = 1;
    new RequestClient(this, request, { flow, nextSeq: () => ++seq, done });
  }

  #keep(call: Session): void {
    this.#byId.set(call.id, call);
    this.#byTag.set(call.localTag, call);
  }

  #forget(call: Session): void {
    this.#byId.delete(call.id);
    if (call.dialog !== undefined) this.#ended[this.#nextEnded++ % REMEMBERED] = call.dialog;
    if (this.#byTag.get(call.localTag) === call) this.#byTag.delete(call.localTag); // not of an attempt that went on elsewhere
  }

  // ---------------------------------------------------------------- the wire

  #message(bytes: Buffer, flow: Flow): void {
    const parsed = parseMessage(bytes);
    if (!parsed.ok) return this.#malformed(parsed, flow);
    this.#bytes = bytes;
    if (parsed.message.kind === 'request') this.#request(parsed.message, flow);
    else this.#response(parsed.message, flow);
  }

  /** The message at hand belongs to this call: said before what it causes, for the end of a call is the last of it. */
  #received(call: string | undefined, flow: Flow): void {
    if (call !== undefined) this.emit({ type: 'received', call, flow, bytes: this.#bytes });
  }

  #drop(reason: string, flow: Flow): void {
    this.emit({ type: 'dropped', reason, flow });
  }

  #malformed(m: Malformed, flow: Flow): void {
    if (m.answer === undefined || !this.#limits.take(flow.host, this.now))
      return this.emit({ type: 'dropped', reason: m.reason, flow, malformed: true });
    this.#refuseStateless(m.answer, m.status, m.reason, flow, true);
  }

  /** RFC 3261 §8.2.7: an answer nothing is kept for. */
  #refuseStateless(
    m: Pick<SipRequest, 'headers' | 'via'>,
    status: number,
    reason: string | undefined,
    flow: Flow,
    malformed = false,
  ): void {
    const topVia = markVia(m.via, flow.host, flow.port);
    const headers: [string, string][] = [['Server', this.config.name]];
    if (status === 503) headers.push(['Retry-After', String(this.#draining ?? 5)]);
    const bytes = writeResponse(m, status, { reason, topVia, toTag: newTag(this), headers });
    this.send(responseFlow(m, flow), bytes, undefined);
    this.emit({ type: 'refused', status, reason: reason ?? '', flow, malformed });
  }

  #response(r: SipResponse, flow: Flow): void {
    const t = this.layer.client(r);
    if (t === undefined) return this.#drop('stray response', flow);
    this.#received(t.call, flow);
    t.receive(r);
  }

  #request(m: SipRequest, flow: Flow): void {
    // §17.2.3: an ACK to a non-2xx belongs to the INVITE's transaction, an ACK to a 2xx only to the dialog.
    const t = this.layer.server(m, m.method === 'ACK' ? 'INVITE' : m.method);
    if (t !== undefined) {
      this.#received(t.call, flow);
      t.input(m.method === 'ACK' ? 'ack' : 'request');
    } else if (m.method === 'ACK') this.#ack(m, flow);
    else if (this.layer.size >= (this.config.maxTransactions ?? 200_000))
      this.#drop('too many transactions', flow);
    else if (m.method === 'CANCEL') this.#cancel(m, flow);
    else if (tagOf(m.to) === undefined) this.#outside(m, flow);
    else this.#inside(m, flow);
  }

  #ack(m: SipRequest, flow: Flow): void {
    const found = this.#dialogOf(m);
    if (found === undefined) return this.#drop('stray ACK', flow);
    this.#received(found.call.id, flow);
    found.call.ack(m);
  }

  /** §12.2.2: the dialog is found by Call-ID, our tag (To) and the peer's (From). */
  #dialogOf(m: SipRequest): { readonly call: Session; readonly dialog: Dialog } | undefined {
    const call = this.#byTag.get(tagOf(m.to) ?? '');
    const dialog = call?.dialogWith(tagOf(m.from) ?? '');
    return call !== undefined && dialog?.callId === m.callId ? { call, dialog } : undefined;
  }

  #inside(m: SipRequest, flow: Flow): void {
    const found = this.#dialogOf(m);
    // §12.2.2: "If the request has a tag in the To header field, but the dialog identifier does not match …, 481".
    if (found === undefined) {
      if (!this.#limits.take(flow.host, this.now)) return this.#drop('rate', flow);
      return this.#refuseStateless(m, 481, undefined, flow);
    }
    const { call, dialog } = found;
    this.#received(call.id, flow);
    const t = this.#open(m, flow, call.id);
    const refusal = inspect(m, this.can);
    if (refusal === undefined) call.request(t, flow, dialog);
    else t.respond(refusal.status, refusal);
  }

  #outside(m: SipRequest, flow: Flow): void {
    if (this.config.screen?.(m, flow) === false) return;
    if (!this.#limits.take(flow.host, this.now))
      return this.#refuseStateless(m, 503, 'Too Many Requests From Your Address', flow);
    const refusal = inspect(m, this.can) ?? this.#merged(m) ?? refuseOutside(m.method, this.can);
    if (refusal !== undefined) {
      this.#open(m, flow, undefined).respond(refusal.status, refusal);
      return this.emit({ type: 'refused', status: refusal.status, reason: refusal.reason ?? '', flow });
    }
    if (this.#draining !== undefined || (m.method === 'INVITE' && this.#full))
      return this.#refuseStateless(m, 503, undefined, flow);
    if (m.method === 'INVITE') return this.#replacing(m, flow);
    const t = this.#open(m, flow, undefined);
    if (m.method === 'OPTIONS')
      // §11.2: the answer to OPTIONS is what an INVITE would have got, with Allow, Accept and Supported.
      t.respond(200, {
        headers: [['Accept', 'application/sdp'], ...this.told, ['Server', this.config.name]],
      });
    // §15.1.2: "If the BYE does not match an existing dialog, the UAS core SHOULD generate a 481". So for PRACK (RFC 3262 §3),
    // UPDATE (RFC 3311 §5.2), INFO (RFC 2976 §2.2) and NOTIFY (RFC 6665 §4.1.3).
    else t.respond(481);
  }

  get #full(): boolean {
    return this.#byId.size >= (this.config.maxCalls ?? 10_000);
  }

  /** The same request over two paths (§8.2.2.2), or one of ours that came back to us (as RFC 5393 §4.2 has proxies see it). */
  #merged(m: SipRequest): RequestRefusal | undefined {
    if (this.layer.isMerged(m)) return { status: 482 };
    if (this.layer.isOurs(m))
      return { status: 482, headers: warning('This request is our own and came back to us.') };
    return undefined;
  }

  /** RFC 3891 §3: an INVITE that is to take the place of a call finds it, or is refused. */
  #replacing(m: SipRequest, flow: Flow): void {
    const count = m.headers.count('replaces');
    if (count === 0) return this.#invite(m, flow, undefined);
    const replaces = count === 1 ? parseReplaces(m.headers.get('replaces') as string) : undefined;
    const found = replaces === undefined ? { status: 400, reason: 'Bad Replaces' } : this.#replaced(replaces);
    if (found instanceof Session) return this.#invite(m, flow, found);
    this.#open(m, flow, undefined).respond(found.status, found);
    this.emit({ type: 'refused', status: found.status, reason: found.reason ?? '', flow });
  }

  #replaced(r: Replaces): Session | RequestRefusal {
    const call = this.#byTag.get(r.toTag);
    const dialog = call?.dialogWith(r.fromTag);
    if (call === undefined || dialog?.callId !== r.callId) {
      const over = this.#ended.some(
        d => d.callId === r.callId && d.localTag === r.toTag && d.remoteTag === r.fromTag,
      );
      // "If the Replaces header field matches a dialog which has already terminated, the UA SHOULD decline the request with a 603";
      // "if no match is found, the UAS rejects the INVITE and returns a 481".
      return over ? ENDED : NO_SUCH;
    }
    if (!call.lives) return ENDED;
    // "If the Replaces header field matches an early dialog that was not initiated by this UA, it returns a 481";
    if (call.state === 'early') return call instanceof OutgoingCall ? call : NO_SUCH;
    // "If the Replaces header field matches a confirmed dialog, it checks for the presence of the "early-only" flag … returns a 486".
    if (r.earlyOnly) return { status: 486, headers: warning('The call to be replaced is answered already.') };
    return call;
  }

  #invite(m: SipRequest, flow: Flow, replaced: Session | undefined): void {
    const id = `in-${++this.#calls}`;
    const t = this.layer.open(m, flow, newTag(this));
    const call = new IncomingCall(this, id, t, flow, s => this.#forget(s), replaced);
    this.#keep(call);
    this.#received(id, flow);
    call.trying();
  }

  #open(m: SipRequest, flow: Flow, call: string | undefined): ServerTransaction {
    const t = this.layer.open(m, flow, tagOf(m.to) ?? newTag(this));
    t.call = call;
    if (m.method === 'INVITE') t.respond(100);
    return t;
  }

  /** §9.2: answered 200 if there is such an INVITE, 481 if not; only one without final response is cancelled. */
  #cancel(m: SipRequest, flow: Flow): void {
    const invite = this.layer.server(m, 'INVITE');
    if (invite === undefined) {
      if (!this.#limits.take(flow.host, this.now)) return this.#drop('rate', flow);
      return this.#refuseStateless(m, 481, undefined, flow);
    }
    this.#received(invite.call, flow);
    // §9.2: "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the same."
    const t = this.layer.open(m, flow, invite.toTag);
    t.call = invite.call;
    t.respond(200);
    if (invite.open && invite.call !== undefined) this.#byId.get(invite.call)?.cancelled(m);
  }
}
