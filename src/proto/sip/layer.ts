import type { Millis } from '../../kit/core.ts';
import { parseVia, tagOf, type Via } from './address.ts';
import { type Flow, flowTo } from './flow.ts';
import type { SipRequest, SipResponse } from './message.ts';
import type { Timers } from './timers.ts';
import { ClientTransaction, type ClientUser, ServerTransaction, type Transaction } from './transaction.ts';
import { markVia, type OutgoingRequest, unbracketed } from './write.ts';

const COOKIE = 'z9hG4bK';

export interface LayerOutside {
  readonly timers: Timers;
  readonly now: Millis;
  send(flow: Flow, bytes: Buffer, call: string | undefined): void;
  lives(flow: Flow): boolean;
}

/** The transaction layer: holds every live transaction and finds the one a message belongs to (RFC 3261 §17.1.3, §17.2.3). */
export class TransactionLayer {
  readonly #outside: LayerOutside;
  readonly #servers = new Map<string, ServerTransaction>();
  readonly #clients = new Map<string, ClientTransaction>();
  /** From tag, Call-ID and CSeq of requests outside dialogs → transaction, for merged requests. */
  readonly #merging = new Map<string, ServerTransaction>();
  /** Client transactions that wait on a connection. */
  readonly #byFlow = new Map<string, Set<ClientTransaction>>();

  constructor(outside: LayerOutside) {
    this.#outside = outside;
  }

  get size(): number {
    return this.#servers.size + this.#clients.size;
  }
  get timers(): Timers {
    return this.#outside.timers;
  }
  get now(): Millis {
    return this.#outside.now;
  }
  send(flow: Flow, bytes: Buffer, call: string | undefined): void {
    this.#outside.send(flow, bytes, call);
  }

  lives(flow: Flow): boolean {
    return this.#outside.lives(flow);
  }

  /** The transaction a request (a retransmission, an ACK, a CANCEL's INVITE) belongs to. `method` as in the key. */
  server(request: SipRequest, method: string): ServerTransaction | undefined {
    return this.#servers.get(serverKey(request, method));
  }

  /** §8.2.2.2: the same request came over another path: no To tag, and From tag, Call-ID and CSeq of one under way. */
  isMerged(request: SipRequest): boolean {
    return this.#merging.has(mergeKey(request));
  }

  /** A Via of it is one we wrote: it is a request of ours that came back while it waits for its answer. */
  isOurs(request: SipRequest): boolean {
    if (this.#clients.size === 0) return false;
    const ours = (via: Via): boolean =>
      this.#clients.has(clientKey(via.params.get('branch') ?? '', request.method));
    if (ours(request.via)) return true;
    const vias = request.headers.list('via') ?? [];
    for (let i = 1; i < vias.length; i++) {
      const via = parseVia(vias[i] as string);
      if (via !== undefined && ours(via)) return true;
    }
    return false;
  }

  open(request: SipRequest, flow: Flow, toTag: string): ServerTransaction {
    const { via } = request;
    const key = serverKey(request, request.method);
    const back = responseFlow(request, flow);
    const t = new ServerTransaction(this, key, back, request, markVia(via, flow.host, flow.port), toTag);
    this.#servers.set(key, t);
    if (tagOf(request.to) === undefined) this.#merging.set(mergeKey(request), t);
    return t;
  }

  request(
    request: OutgoingRequest,
    flow: Flow,
    user: ClientUser,
    call: string | undefined,
  ): ClientTransaction {
    const t = new ClientTransaction(
      this,
      clientKey(branchIn(request.via), request.method),
      flow,
      request,
      user,
    );
    t.call = call;
    this.#clients.set(t.key, t);
    if (t.flow.transport !== 'udp') {
      const waiting = this.#byFlow.get(t.flow.id);
      if (waiting === undefined) this.#byFlow.set(t.flow.id, new Set([t]));
      else waiting.add(t);
    }
    t.input('start');
    return t;
  }

  /** §17.1.3; undefined: nothing waits for it. */
  client(r: SipResponse): ClientTransaction | undefined {
    return this.#clients.get(clientKey(r.via.params.get('branch') ?? '', r.method));
  }

  /** The connection is gone: what waits on it has failed. */
  flowClosed(id: string): void {
    const waiting = this.#byFlow.get(id);
    this.#byFlow.delete(id);
    if (waiting !== undefined) for (const t of [...waiting]) t.input('transport-error');
  }

  gone(t: Transaction): void {
    if (t instanceof ServerTransaction) {
      this.#servers.delete(t.key);
      const merging = mergeKey(t.request);
      if (this.#merging.get(merging) === t) this.#merging.delete(merging);
      return;
    }
    this.#clients.delete(t.key);
    const waiting = this.#byFlow.get(t.flow.id);
    if (waiting?.delete(t as ClientTransaction) && waiting.size === 0) this.#byFlow.delete(t.flow.id);
  }
}

/** §17.2.3: branch, sent-by and method; before RFC 3261 (no cookie) everything that identifies the request. */
function serverKey(r: SipRequest, method: string): string {
  const branch = r.via.params.get('branch');
  if (branch?.startsWith(COOKIE)) return `${branch}|${r.via.host}:${r.via.port ?? ''}|${method}`;
  return `${r.uri.raw}|${tagOf(r.from)}|${r.callId}|${r.cseq}|${r.via.raw}|${method}`;
}

const mergeKey = (r: SipRequest): string => `${r.callId}|${tagOf(r.from)}|${r.cseq}|${r.method}`;
const clientKey = (branch: string, method: string): string => `${branch}|${method}`;
const branchIn = (via: string): string => /;branch=([^;]+)/.exec(via)?.[1] ?? '';

/**
 * §18.2.2 and RFC 3581 §4: a stream answers on its connection; a datagram goes to where it came from when it asked so by
 * `rport`, else to that address at the port its Via names.
 */
export function responseFlow(request: { via: SipRequest['via'] }, flow: Flow): Flow {
  const { via } = request;
  if (flow.transport !== 'udp' || via.params.has('rport') || (via.port ?? 5060) === flow.port) return flow;
  return flowTo('udp', unbracketed(flow.host), via.port ?? 5060, flow);
}
