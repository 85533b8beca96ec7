import { randomInt, randomUUID } from 'node:crypto';
import type { Clock } from '../../../src/contract.ts';
import type { Millis } from '../../../src/kit/core.ts';
import { refuse } from '../../../src/kit/refusal.ts';
import type { CallEvent, DialOptions, OutsideRequest } from '../../../src/proto/sip/events.ts';
import { type Flow, flowOfUri, flowTo } from '../../../src/proto/sip/flow.ts';
import {
  type Capabilities,
  inspect,
  type RequestRefusal,
  refuseOutside,
} from '../../../src/proto/sip/inspect.ts';
import { type SipRequest, sdpOf } from '../../../src/proto/sip/message.ts';
import type {
  OnCall,
  OutsideAnswer,
  SignallingOutside,
  SipCall,
  SipSignalling,
} from '../../../src/proto/sip/signalling.ts';
import type { WriterOf } from '../../../src/proto/sip/stack.ts';
import { parseUri } from '../../../src/proto/sip/uri.ts';
import { Writers } from '../../../src/proto/sip/writers.ts';
import { type CallOutside, DrachtioCall } from './call.ts';
import { flowOf, readWire } from './line.ts';
import { type Answering, endWire, headersOf, openWire, type ReceivedRequest, type Wire } from './wire.ts';

export interface DrachtioOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  readonly clock: Clock;
  readonly infoTypes: readonly string[];
  /** New calls beyond so many get 503. */
  readonly maxCalls: number;
  /** The connection to drachtio-server came or went. */
  readonly link: (up: boolean, text: string) => void;
}

const METHODS = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'INFO',
  'UPDATE',
  'PRACK',
  'REFER',
  'NOTIFY',
  'MESSAGE',
];
/** Also asked for, so that they are refused in words and not left unanswered. */
const REFUSED = ['REGISTER', 'SUBSCRIBE', 'PUBLISH'];
/** Of a call to no SIP address: drachtio-server refuses it. */
const NOWHERE = flowTo('udp', '', 0);
const CONNECT_MS = 5000;
const MIN_SESSION_S = 90;

/**
 * The port of `src/proto/sip` with drachtio-server behind it: sockets, transactions and dialogs are there, calls here.
 * What it cannot do is said by its answers: `bury` is 501 (its dialogs are its own), keep-alives are its business.
 */
export class DrachtioSignalling implements SipSignalling {
  readonly #o: DrachtioOptions;
  readonly #outside: SignallingOutside;
  readonly #wire: Wire;
  readonly #calls = new Map<string, DrachtioCall>();
  readonly #byDialog = new Map<string, DrachtioCall>();
  readonly #listeners = new Map<string, OnCall>();
  readonly #writers = new Writers();
  readonly #can: Capabilities;
  readonly #callOutside: CallOutside;
  #next = 1;
  #closed = false;
  #retryAfterS: number | undefined;

  constructor(o: DrachtioOptions, outside: SignallingOutside, wire = openWire()) {
    this.#o = o;
    this.#wire = wire;
    this.#outside = outside;
    this.#can = {
      methods: METHODS,
      extensions: ['100rel'],
      infoTypes: o.infoTypes,
      minSeS: MIN_SESSION_S,
    };
    this.#callOutside = {
      wire: this.#wire,
      can: this.#can,
      emit: event => this.#emit(event),
      message: (call, dir, flow, text) => outside.message?.(call, { dir, flow, bytes: Buffer.from(text) }),
      known: (call, dialog) => this.#known(call, dialog),
      // RFC 3261 §14.1: up to four seconds, so that both sides do not meet again.
      later: run => void o.clock.at(o.clock.now() + randomInt(200, 4000), run),
    };
    for (const method of [...METHODS, ...REFUSED])
      this.#wire.use(method.toLowerCase(), (request, response) => this.#receive(request, response));
  }

  get size(): number {
    return this.#calls.size;
  }

  dial(options: DialOptions, on: OnCall): SipCall {
    const id = `out-${this.#next++}`;
    this.#listeners.set(id, on);
    const uri = parseUri(options.to);
    const flow = options.flow ?? (uri === undefined ? NOWHERE : flowOfUri(uri));
    const call = DrachtioCall.dial(this.#callOutside, id, flow, options);
    this.#keep(call);
    return call;
  }

  ping(to: string): Promise<number> {
    return this.#ask('OPTIONS', to, { Accept: 'application/sdp' }).then(a => a.status);
  }

  request(r: OutsideRequest, flow: Flow): Promise<OutsideAnswer> {
    const lines = [
      ['From', `<${r.from}>;tag=${randomUUID().slice(0, 8)}`],
      ['To', `<${r.to}>`],
      ...r.headers,
    ] as const;
    const headers = { ...headersOf(lines), 'Call-ID': r.callId };
    return this.#ask(r.method, r.uri, headers, `sip:${flow.host}:${flow.port};transport=${flow.transport}`);
  }

  keepAlive(_flow: Flow, _everyMs: Millis | undefined): void {} // drachtio-server keeps its own connections

  bury(): Promise<number> {
    return Promise.resolve(501);
  }

  drain(retryAfterS: number): void {
    this.#retryAfterS = retryAfterS;
  }

  /** Idempotent. Dialogs that are left are drachtio-server's to end. */
  close(): void {
    this.#closed = true;
    endWire(this.#wire);
  }

  /**
   * Resolves with where it speaks SIP: `udp/192.0.2.1:5060,tcp/…`. Rejects with a Refusal when there is no
   * drachtio-server, or it does not take the secret.
   */
  connect(): Promise<string> {
    const { host, port, secret, clock, link } = this.#o;
    const what = `drachtio-server at ${host}:${port}`;
    return new Promise((resolve, reject) => {
      const late = clock.at(clock.now() + CONNECT_MS, () => fail('does not answer'));
      const fail = (why: string): void => {
        late();
        endWire(this.#wire);
        const text = `${what} ${why}: start it, or check sip.drachtio (host, port, secret).`;
        reject(refuse('server', 'no-drachtio', text));
      };
      let was = false;
      this.#wire.on('connect', (error, hostPorts) => {
        if (error !== null)
          return was ? link(false, `${what} refuses the secret`) : fail('refuses the secret');
        late();
        was = true;
        link(true, `${what} speaks SIP at ${hostPorts}`);
        resolve(hostPorts);
      });
      this.#wire.on('error', error => {
        if (!was) link(false, `${what}: ${error.message}`); // it tries again by itself
      });
      this.#wire.on('close', () => {
        if (!was || this.#closed) return;
        link(false, `${what} is gone; its calls with it`);
        for (const call of [...this.#calls.values()]) call.lost();
      });
      this.#wire.connect({ host, port, secret });
    });
  }

  #receive(request: ReceivedRequest, response: Answering): void {
    const { stackDialogId } = request;
    const call = stackDialogId === undefined ? undefined : this.#byDialog.get(stackDialogId);
    if (call !== undefined) return call.receive(request, response);
    const m = readWire(request);
    if (m?.kind !== 'request') return response.send(400, {}, () => {});
    const wrong = inspect(m, this.#can);
    if (wrong !== undefined) return this.#refuse(response, wrong);
    const { writer } = this.#outside;
    if (m.method === 'MESSAGE' && writer !== undefined && !m.to.params.has('tag'))
      return this.#text(m, request, response, writer);
    const senseless = refuseOutside(m.method, this.#can);
    if (senseless !== undefined) return this.#refuse(response, senseless);
    if (m.method === 'OPTIONS')
      return response.send(
        200,
        { headers: { Accept: 'application/sdp', Allow: METHODS.join(', ') } },
        () => {},
      );
    if (m.method === 'ACK') return;
    if (m.method !== 'INVITE' || m.to.params.has('tag')) return this.#refuse(response, { status: 481 });
    if (this.#retryAfterS !== undefined || this.#calls.size >= this.#o.maxCalls)
      return this.#refuse(response, {
        status: 503,
        headers: [['Retry-After', String(this.#retryAfterS ?? 5)]],
      });
    const id = `in-${this.#next++}`;
    const incoming = DrachtioCall.incoming(this.#callOutside, id, m, request, response);
    this.#keep(incoming);
    try {
      const invite = { type: 'invite', call: id, request: m, flow: flowOf(request), sdp: sdpOf(m) } as const;
      this.#listeners.set(id, this.#outside.incoming(invite, incoming));
      this.#outside.message?.(id, { dir: 'in', flow: flowOf(request), bytes: Buffer.from(request.raw) });
    } catch (error) {
      this.#outside.bug(id, error);
      incoming.hangup();
    }
  }

  /** RFC 3428 §4: a text outside of any call, of one that has a call with us, or of a stranger. */
  #text(m: SipRequest, request: ReceivedRequest, response: Answering, writer: WriterOf): void {
    const of = writer(m, flowOf(request), this.#writers.candidates(m, flowOf(request)));
    if (typeof of !== 'string') return this.#refuse(response, of);
    const call = this.#calls.get(of);
    if (call === undefined) this.#refuse(response, { status: 481 });
    else call.receive(request, response);
  }

  #refuse(response: Answering, { status, reason, headers }: RequestRefusal): void {
    this.#outside.count('refused', String(status));
    response.send(status, { ...(reason && { reason }), headers: headersOf(headers) }, () => {});
  }

  #ask(method: string, uri: string, headers: Record<string, string>, proxy?: string): Promise<OutsideAnswer> {
    return new Promise(done => {
      this.#wire.request({ method, uri, headers, ...(proxy && { proxy }) }, (_error, request) => {
        if (request === undefined) return done({ status: 503, response: undefined });
        request.on('response', response => {
          if (response.status < 200) return;
          const m = readWire(response);
          done({ status: response.status, response: m?.kind === 'response' ? m : undefined });
        });
      });
    });
  }

  #keep(call: DrachtioCall): void {
    this.#calls.set(call.id, call);
    this.#writers.add(call);
  }

  #known(call: DrachtioCall, dialog: string | undefined): void {
    if (dialog !== undefined) return void this.#byDialog.set(dialog, call);
    this.#calls.delete(call.id);
    this.#writers.delete(call);
    this.#listeners.delete(call.id);
    if (call.dialog !== undefined) this.#byDialog.delete(call.dialog);
  }

  #emit(event: CallEvent): void {
    if (event.type === 'invite') return;
    try {
      this.#listeners.get(event.call)?.(event);
    } catch (error) {
      this.#outside.bug(event.call, error);
      this.#calls.get(event.call)?.hangup();
    }
  }
}
