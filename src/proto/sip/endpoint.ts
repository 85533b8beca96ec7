import type { Core, Millis, Tick } from '../../kit/core.ts';
import { tagOf } from './address.ts';
import { bury } from './bury.ts';
import { CallTable } from './call-table.ts';
import { sessionLimits } from './dialog-user.ts';
import type { Command, SipInput, SipOutput } from './events.ts';
import type { Flow } from './flow.ts';
import { type Capabilities, inspect } from './inspect.ts';
import { TransactionLayer } from './layer.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { dialTarget, OutgoingCall } from './outgoing.ts';
import { ping, sendOutside } from './outside.ts';
import { parseMessage } from './parse.ts';
import { Queue } from './queue.ts';
import { Reception } from './reception.ts';
import type { SipConfig, Stack } from './stack.ts';
import { Timers } from './timers.ts';
import { Wire } from './wire.ts';
import type { HeaderLine } from './write.ts';

const METHODS = [
  ...['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'INFO'],
  ...['PRACK', 'UPDATE', 'REFER', 'NOTIFY'],
];
const EXTENSIONS = ['100rel', 'timer', 'replaces'];

/**
 * A SIP user agent, sans-I/O: datagrams, stream chunks and commands go in, messages to send and call events come out.
 * RFC 3261 with 3262 (PRACK), 3311 (UPDATE), 3428 (MESSAGE), 3515 (REFER), 3581 (rport), 3891 (Replaces), 4028 (session timers),
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
  readonly #table = new CallTable();
  readonly #reception: Reception;
  /** The message being handled. */
  #bytes: Buffer = Buffer.alloc(0);

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
    this.#reception = new Reception(this, this.#table, (call, flow) => this.#received(call, flow));
  }

  get deadline(): Millis {
    return this.timers.deadline;
  }

  /** Calls, transactions and timers alive: all 0 when idle. */
  get load(): { readonly calls: number; readonly transactions: number; readonly timers: number } {
    return { calls: this.#table.size, transactions: this.layer.size, timers: this.timers.size };
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
        this.#table.get(input.call)?.command(input);
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
        return this.#reception.drain(c.retryAfterS);
      case 'ping':
        return ping(this, c.id, c.to, c.flow);
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
        const call = new OutgoingCall(this, c.call, to, c.options, s => this.#table.forget(s));
        this.#table.keep(call);
        call.start();
      }
    }
  }

  // ---------------------------------------------------------------- the wire

  #message(bytes: Buffer, flow: Flow): void {
    const parsed = parseMessage(bytes);
    if (!parsed.ok) return this.#reception.malformed(parsed, flow);
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
    else if (tagOf(m.to) === undefined) this.#reception.request(m, flow);
    else this.#inside(m, flow);
  }

  #ack(m: SipRequest, flow: Flow): void {
    const found = this.#table.dialogOf(m);
    if (found === undefined) return this.#drop('stray ACK', flow);
    this.#received(found.call.id, flow);
    found.call.ack(m);
  }

  #inside(m: SipRequest, flow: Flow): void {
    const found = this.#table.dialogOf(m);
    // §12.2.2: "If the request has a tag in the To header field, but the dialog identifier does not match …, 481".
    if (found === undefined) return this.#reception.unknown(m, flow);
    const { call, dialog } = found;
    this.#received(call.id, flow);
    const t = this.#reception.open(m, flow, call.id);
    const refusal = inspect(m, this.can);
    if (refusal === undefined) call.request(t, flow, dialog);
    else t.respond(refusal.status, refusal);
  }

  /** §9.2: answered 200 if there is such an INVITE, 481 if not; only one without final response is cancelled. */
  #cancel(m: SipRequest, flow: Flow): void {
    const invite = this.layer.server(m, 'INVITE');
    if (invite === undefined) return this.#reception.unknown(m, flow);
    this.#received(invite.call, flow);
    // §9.2: "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the same."
    const t = this.layer.open(m, flow, invite.toTag);
    t.call = invite.call;
    t.respond(200);
    if (invite.open && invite.call !== undefined) this.#table.get(invite.call)?.cancelled(m);
  }
}
