import type { Millis } from '../../kit/core.ts';
import { defaultPort, type Flow, flowTo } from './flow.ts';
import type { Action, Machine, State, TimerLetter } from './machines.ts';
import { CLIENT, INVITE_CLIENT, INVITE_SERVER, SERVER } from './machines.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { T1, T1_64, T2, T4, type Timer, type TimerOwner, type Timers } from './timers.ts';
import { type OutgoingRequest, type ResponseParts, writeRequest, writeResponse } from './write.ts';

/** A datagram above this may not arrive whole (RFC 3261 §18.1.1). */
const MAX_DATAGRAM_BYTES = 1300;

/** What a transaction needs of the layer that holds it. */
export interface TransactionHolder {
  readonly timers: Timers;
  /** The time of the input being handled. */
  readonly now: Millis;
  send(flow: Flow, bytes: Buffer, call: string | undefined): void;
  /** A connection that is open, or a datagram address. */
  lives(flow: Flow): boolean;
  gone(t: Transaction): void;
}

/** Runs one machine of `machines.ts`: looks up the row, changes state, does the row's actions. */
export abstract class Transaction implements TimerOwner {
  abstract readonly machine: Machine;
  readonly key: string;
  /** The path it uses; another one when that turned out not to be there. */
  flow: Flow;
  state: State;
  /** The call it belongs to, for the ladder. */
  call: string | undefined;
  protected readonly holder: TransactionHolder;
  protected last: Buffer | undefined;
  #timers: Partial<Record<TimerLetter, Timer>> = {};
  #intervalMs = T1;

  constructor(holder: TransactionHolder, key: string, flow: Flow, state: State) {
    this.holder = holder;
    this.key = key;
    this.flow = flow;
    this.state = state;
  }

  input(name: string): void {
    const row = this.machine[`${this.state}/${name}`];
    if (row === undefined) return;
    this.state = row.to;
    for (const action of row.do) this.#act(action);
    if (this.state === 'terminated') this.#end();
  }

  timer(name: string): void {
    this.input(name);
  }

  /** Where what it sends goes now. */
  protected path(): Flow {
    return this.flow;
  }

  protected perform(_action: Action): void {}

  #act(action: Action): void {
    if (action === 'send' || action === 'resend') {
      if (this.last !== undefined) this.holder.send(this.path(), this.last, this.call);
    } else if (action.startsWith('arm-')) this.#arm(action[4] as TimerLetter);
    else if (action.startsWith('stop-')) this.#stop(action[5] as TimerLetter);
    else this.perform(action);
  }

  #arm(letter: TimerLetter): void {
    const ms = this.#durationMs(letter);
    if (ms === undefined) return;
    if (ms === 0) return this.input(`timer-${letter}`);
    this.#stop(letter);
    this.#timers[letter] = this.holder.timers.start(this, `timer-${letter}`, this.holder.now + ms);
  }

  /** RFC 3261 Appendix A; undefined: this timer does not run on this transport. */
  #durationMs(letter: TimerLetter): Millis | undefined {
    const reliable = this.flow.transport !== 'udp';
    switch (letter) {
      case 'A':
      case 'E':
      case 'G': {
        if (reliable) return undefined;
        if (letter === 'E' && this.state === 'proceeding') return T2;
        const ms = this.#intervalMs;
        this.#intervalMs = letter === 'A' ? ms * 2 : Math.min(ms * 2, T2);
        return ms;
      }
      case 'D':
      case 'J':
        return reliable ? 0 : T1_64;
      case 'I':
      case 'K':
        return reliable ? 0 : T4;
      default:
        return T1_64;
    }
  }

  #stop(letter: TimerLetter): void {
    this.holder.timers.stop(this.#timers[letter]);
    delete this.#timers[letter];
  }

  #end(): void {
    for (const timer of Object.values(this.#timers)) this.holder.timers.stop(timer);
    this.#timers = {};
    this.holder.gone(this);
  }
}

/** Who asked. Called from inside `input`. */
export interface ClientUser {
  response(r: SipResponse, t: ClientTransaction): void;
  failed(why: 'timeout' | 'transport', t: ClientTransaction): void;
}

export class ClientTransaction extends Transaction {
  readonly machine: Machine;
  request: OutgoingRequest;
  readonly #user: ClientUser;
  #response: SipResponse | undefined;
  /** How it goes if TCP, which its size asks for, cannot be had. */
  #instead: { readonly flow: Flow; readonly request: OutgoingRequest } | undefined;

  constructor(
    holder: TransactionHolder,
    key: string,
    flow: Flow,
    request: OutgoingRequest,
    user: ClientUser,
  ) {
    super(holder, key, flow, request.method === 'INVITE' ? 'calling' : 'trying');
    this.machine = request.method === 'INVITE' ? INVITE_CLIENT : CLIENT;
    this.request = request;
    this.#user = user;
    this.last = writeRequest(request);
    if (flow.largeByTcp === true && flow.transport === 'udp' && this.last.length > MAX_DATAGRAM_BYTES)
      this.#byTcp();
  }

  /** RFC 3261 §18.1.1: "If … the request is larger than 1300 bytes …, the request MUST be sent using … TCP". */
  #byTcp(): void {
    const { flow, request } = this;
    this.#instead = { flow, request };
    const via = request.via.replace('SIP/2.0/UDP', 'SIP/2.0/TCP');
    this.#take(flowTo('tcp', flow.host, flow.port, flow), { ...request, via });
  }

  #take(flow: Flow, request: OutgoingRequest): void {
    this.flow = flow;
    this.request = request;
    this.last = writeRequest(request);
  }

  /** §18.1.1: where the connection cannot be had, "the element SHOULD retry the request using UDP". */
  #transportFailed(): void {
    if (this.#instead === undefined) return this.#user.failed('transport', this);
    this.#take(this.#instead.flow, this.#instead.request);
    this.#instead = undefined;
    this.state = this.machine === INVITE_CLIENT ? 'calling' : 'trying';
    this.input('start');
  }

  receive(r: SipResponse): void {
    this.#instead = undefined;
    this.#response = r;
    this.input(r.status < 200 ? '1xx' : r.status < 300 ? '2xx' : 'final');
    this.#response = undefined;
  }

  protected override perform(action: Action): void {
    if (action === 'pass') this.#user.response(this.#response as SipResponse, this);
    else if (action === 'report-timeout') this.#user.failed('timeout', this);
    else if (action === 'report-transport') this.#transportFailed();
    else if (action === 'ack') this.#acknowledge(this.#response as SipResponse);
  }

  /** RFC 3261 §17.1.1.3: same Call-ID, From, Request-URI, top Via and Route as the INVITE, the To of the response. */
  #acknowledge(r: SipResponse): void {
    const { uri, via, from, callId, cseq, routes } = this.request;
    const ack = { method: 'ACK', uri, via, from, to: r.to.raw, callId, cseq, routes, headers: [] };
    this.holder.send(this.flow, writeRequest(ack), this.call);
  }
}

export class ServerTransaction extends Transaction {
  readonly machine: Machine;
  readonly request: SipRequest;
  /** Goes into every response but 100 (RFC 3261 §8.2.6.2). */
  readonly toTag: string;
  readonly #topVia: string;

  constructor(
    holder: TransactionHolder,
    key: string,
    flow: Flow,
    request: SipRequest,
    topVia: string,
    toTag: string,
  ) {
    super(holder, key, flow, request.method === 'INVITE' ? 'proceeding' : 'trying');
    this.machine = request.method === 'INVITE' ? INVITE_SERVER : SERVER;
    this.request = request;
    this.#topVia = topVia;
    this.toTag = toTag;
  }

  /** False once a final response went out. */
  get open(): boolean {
    return this.state === 'proceeding' || this.state === 'trying';
  }

  /**
   * §18.2.2: "If that connection is no longer open, the server SHOULD open a connection to the IP address in the "received"
   * parameter, if present, using the port in the "sent-by" value, or the default port for that transport". Nobody can be reached
   * so by WebSocket (RFC 7118 §5).
   */
  protected override path(): Flow {
    const { transport, host, listener } = this.flow;
    if ((transport !== 'tcp' && transport !== 'tls') || this.holder.lives(this.flow)) return this.flow;
    const { via } = this.request;
    const name = transport === 'tls' && /[a-z]/.test(via.host) ? { name: via.host } : {};
    const more = { ...name, ...(listener !== undefined && { listener }) };
    return flowTo(transport, host, via.port ?? defaultPort(transport), more);
  }

  respond(status: number, parts: Omit<ResponseParts, 'topVia' | 'toTag'> = {}): void {
    const toTag = status > 100 ? this.toTag : undefined;
    this.last = writeResponse(this.request, status, { ...parts, topVia: this.#topVia, toTag });
    this.input(status < 200 ? '1xx' : status < 300 ? '2xx' : 'final');
  }
}
