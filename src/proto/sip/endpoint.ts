import type { Core, Millis, Tick } from '../../kit/core.ts';
import { RateLimit, RateLimits } from '../../kit/limits.ts';
import { tagOf } from './address.ts';
import type { Command, SipInput, SipOutput } from './events.ts';
import { type Flow, flowOfUri } from './flow.ts';
import { IncomingCall } from './incoming.ts';
import { type Capabilities, inspect } from './inspect.ts';
import { responseFlow, TransactionLayer } from './layer.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { dialTarget, OutgoingCall } from './outgoing.ts';
import { type Malformed, parseMessage } from './parse.ts';
import { Queue } from './queue.ts';
import { RequestClient } from './request-client.ts';
import type { Session } from './session.ts';
import { newTag, offers, type SipConfig, type Stack } from './stack.ts';
import { Streams } from './streams.ts';
import { Timers } from './timers.ts';
import type { ServerTransaction } from './transaction.ts';
import { bracketed, markVia, writeResponse } from './write.ts';

const METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'INFO'];

/**
 * A SIP user agent, sans-I/O: datagrams, stream chunks and commands go in, messages to send and call events come out.
 * RFC 3261 with 3581 (rport), 6026 (accepted state), 6086 (INFO, legacy use).
 */
export class SipEndpoint implements Core<SipInput, SipOutput>, Stack {
  readonly config: SipConfig;
  readonly can: Capabilities;
  readonly timers = new Timers();
  readonly layer: TransactionLayer;
  now: Millis = 0;
  readonly #out = new Queue<SipOutput>();
  readonly #streams: Streams;
  /** Our tag → call, while it lives. */
  readonly #byTag = new Map<string, Session>();
  readonly #byId = new Map<string, Session>();
  readonly #limits: RateLimits;
  #calls = 0;
  /** The message being handled. */
  #bytes: Buffer = Buffer.alloc(0);
  #draining: number | undefined;

  constructor(config: SipConfig) {
    this.config = config;
    this.can = { methods: METHODS, extensions: [], infoTypes: config.infoTypes ?? [] };
    this.layer = new TransactionLayer(this);
    this.#streams = new Streams(this.timers);
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
        return this.#message(input.bytes, input.flow);
      case 'chunk':
        return this.#chunk(input.flow, input.bytes);
      case 'flow-closed':
        this.#streams.closed(input.flow);
        return this.layer.flowClosed(input.flow.id);
      case 'dial':
      case 'ping':
      case 'drain':
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
    this.#streams.used(flow);
    this.emit({ type: 'send', flow, bytes, call });
  }

  lives(flow: Flow): boolean {
    return flow.transport === 'udp' || this.#streams.lives(flow);
  }

  // ---------------------------------------------------------------- commands

  #command(c: Exclude<Command, { call: string }> | Extract<Command, { type: 'dial' }>): void {
    switch (c.type) {
      case 'drain':
        this.#draining = c.retryAfterS;
        return;
      case 'ping':
        return this.#ping(c.id, c.to, c.flow);
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
    this.#byTag.delete(call.localTag);
  }

  // ---------------------------------------------------------------- the wire

  #chunk(flow: Flow, bytes: Buffer): void {
    const stream = this.#streams.push(flow, bytes, reason => this.#hangUp(flow, reason));
    if (stream === undefined) return;
    let took = false;
    for (let m = stream.take(); m !== undefined; m = stream.take(), took = true)
      // RFC 5626 §4.4.1: a double CRLF is answered by a single one.
      if (m === 'ping') this.send(flow, Buffer.from('\r\n'), undefined);
      else this.#message(m, flow);
    this.#streams.settled(flow, took, this.now);
    if (stream.error !== undefined) this.#hangUp(flow, stream.error);
  }

  #hangUp(flow: Flow, reason: string): void {
    this.emit({ type: 'dropped', reason, flow });
    this.#streams.end(flow);
    this.emit({ type: 'close-flow', flow, reason });
  }

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
    if (m.answer === undefined || !this.#limits.take(flow.host, this.now)) return this.#drop(m.reason, flow);
    this.#refuseStateless(m.answer, m.status, m.reason, flow);
  }

  /** RFC 3261 §8.2.7: an answer nothing is kept for. */
  #refuseStateless(
    m: Pick<SipRequest, 'headers' | 'via'>,
    status: number,
    reason: string | undefined,
    flow: Flow,
  ): void {
    const topVia = markVia(m.via, flow.host, flow.port);
    const headers: [string, string][] = [['Server', this.config.name]];
    if (status === 503) headers.push(['Retry-After', String(this.#draining ?? 5)]);
    const bytes = writeResponse(m, status, { reason, topVia, toTag: newTag(this), headers });
    this.send(responseFlow(m, flow), bytes, undefined);
    this.emit({ type: 'refused', status, reason: reason ?? '', flow });
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
    const call = this.#dialogOf(m);
    if (call === undefined) return this.#drop('stray ACK', flow);
    this.#received(call.id, flow);
    call.ack(m);
  }

  /** §12.2.2: the dialog is found by Call-ID, our tag (To) and the peer's (From). */
  #dialogOf(m: SipRequest): Session | undefined {
    const call = this.#byTag.get(tagOf(m.to) ?? '');
    const { dialog } = call ?? {};
    return dialog?.callId === m.callId && dialog.remoteTag === (tagOf(m.from) ?? '') ? call : undefined;
  }

  #inside(m: SipRequest, flow: Flow): void {
    const call = this.#dialogOf(m);
    // §12.2.2: "If the request has a tag in the To header field, but the dialog identifier does not match …, 481".
    if (call === undefined) {
      if (!this.#limits.take(flow.host, this.now)) return this.#drop('rate', flow);
      return this.#refuseStateless(m, 481, undefined, flow);
    }
    this.#received(call.id, flow);
    const t = this.#open(m, flow, call.id);
    const refusal = inspect(m, this.can);
    if (refusal === undefined) call.request(t, flow);
    else t.respond(refusal.status, refusal);
  }

  #outside(m: SipRequest, flow: Flow): void {
    if (!this.#limits.take(flow.host, this.now))
      return this.#refuseStateless(m, 503, 'Too Many Requests From Your Address', flow);
    const merged = this.layer.isMerged(m);
    const refusal = inspect(m, this.can) ?? (merged ? { status: 482 } : undefined);
    if (refusal !== undefined) {
      this.#open(m, flow, undefined).respond(refusal.status, refusal);
      return this.emit({ type: 'refused', status: refusal.status, reason: refusal.reason ?? '', flow });
    }
    if (this.#draining !== undefined || (m.method === 'INVITE' && this.#full))
      return this.#refuseStateless(m, 503, undefined, flow);
    if (m.method === 'INVITE') return this.#invite(m, flow);
    const t = this.#open(m, flow, undefined);
    if (m.method === 'OPTIONS')
      // §11.2: the answer to OPTIONS is what an INVITE would have got, with Allow, Accept and Supported.
      t.respond(200, {
        headers: [['Accept', 'application/sdp'], ...offers(this), ['Server', this.config.name]],
      });
    // §15.1.2: "If the BYE does not match an existing dialog, the UAS core SHOULD generate a 481".
    else t.respond(481);
  }

  get #full(): boolean {
    return this.#byId.size >= (this.config.maxCalls ?? 10_000);
  }

  #invite(m: SipRequest, flow: Flow): void {
    const id = `in-${++this.#calls}`;
    const call = new IncomingCall(this, id, this.layer.open(m, flow, newTag(this)), flow, s =>
      this.#forget(s),
    );
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
