import { RateLimit, RateLimits } from '../../kit/limits.ts';
import { tagOf } from './address.ts';
import type { CallTable } from './call-table.ts';
import type { Flow } from './flow.ts';
import { IncomingCall } from './incoming.ts';
import { inspect, type RequestRefusal, refuseOutside, warning } from './inspect.ts';
import { responseFlow } from './layer.ts';
import type { SipRequest } from './message.ts';
import type { Malformed } from './parse.ts';
import { Session } from './session.ts';
import { newTag, type Stack, type WriterOf } from './stack.ts';
import type { ServerTransaction } from './transaction.ts';
import { markVia, writeResponse } from './write.ts';

/** Whoever has no call with us yet: how often one is heard, what one is answered, and what becomes of one's requests. */
export class Reception {
  readonly #stack: Stack;
  readonly #table: CallTable;
  /** The message at hand belongs to this call. */
  readonly #received: (call: string, flow: Flow) => void;
  readonly #limits: RateLimits;
  #calls = 0;
  #draining: number | undefined;

  constructor(stack: Stack, table: CallTable, received: (call: string, flow: Flow) => void) {
    this.#stack = stack;
    this.#table = table;
    this.#received = received;
    const { newRequestsPerSecond: perSecond = 200, newRequestsBurst } = stack.config;
    this.#limits = new RateLimits(() => new RateLimit(perSecond, newRequestsBurst ?? perSecond * 5));
  }

  /** From now on new calls and OPTIONS get 503. */
  drain(retryAfterS: number): void {
    this.#draining = retryAfterS;
  }

  malformed(m: Malformed, flow: Flow): void {
    if (m.answer === undefined || !this.#limits.take(flow.host, this.#stack.now))
      return this.#stack.emit({ type: 'dropped', reason: m.reason, flow, malformed: true });
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
    const headers: [string, string][] = [['Server', this.#stack.config.name]];
    if (status === 503) headers.push(['Retry-After', String(this.#draining ?? 5)]);
    const bytes = writeResponse(m, status, { reason, topVia, toTag: newTag(this.#stack), headers });
    this.#stack.send(responseFlow(m, flow), bytes, undefined);
    this.#stack.emit({ type: 'refused', status, reason: reason ?? '', flow, malformed });
  }

  /** Of a dialog or an INVITE that is not, or not any more: 481 (§12.2.2, §9.2). */
  unknown(m: SipRequest, flow: Flow): void {
    if (this.#limits.take(flow.host, this.#stack.now)) this.#refuseStateless(m, 481, undefined, flow);
    else this.#stack.emit({ type: 'dropped', reason: 'rate', flow });
  }

  /** A request without a To tag: of no call, or the first of one. */
  request(m: SipRequest, flow: Flow): void {
    if (this.#stack.config.screen?.(m, flow) === false) return;
    if (!this.#limits.take(flow.host, this.#stack.now))
      return this.#refuseStateless(m, 503, 'Too Many Requests From Your Address', flow);
    const refusal = inspect(m, this.#stack.can) ?? this.#merged(m);
    if (refusal !== undefined) return this.#refuse(m, refusal, flow);
    const { writer } = this.#stack.config;
    if (m.method === 'MESSAGE' && writer !== undefined) return this.#text(m, flow, writer);
    const senseless = refuseOutside(m.method, this.#stack.can);
    if (senseless !== undefined) return this.#refuse(m, senseless, flow);
    if (this.#draining !== undefined || (m.method === 'INVITE' && this.#full))
      return this.#refuseStateless(m, 503, undefined, flow);
    if (m.method === 'INVITE') return this.#replacing(m, flow);
    const t = this.open(m, flow, undefined);
    if (m.method === 'OPTIONS')
      // §11.2: the answer to OPTIONS is what an INVITE would have got, with Allow, Accept and Supported.
      t.respond(200, {
        headers: [['Accept', 'application/sdp'], ...this.#stack.told, ['Server', this.#stack.config.name]],
      });
    // §15.1.2: "If the BYE does not match an existing dialog, the UAS core SHOULD generate a 481". So for PRACK (RFC 3262 §3),
    // UPDATE (RFC 3311 §5.2), INFO (RFC 2976 §2.2) and NOTIFY (RFC 6665 §4.1.3).
    else t.respond(481);
  }

  /** RFC 3428 §4: a text outside of any call, of one that has a call with us, or of a stranger. */
  #text(m: SipRequest, flow: Flow, writer: WriterOf): void {
    const of = writer(m, flow, this.#table.candidates(m, flow));
    if (typeof of !== 'string') return this.#refuse(m, of, flow);
    this.#received(of, flow);
    const t = this.open(m, flow, of);
    const call = this.#table.get(of);
    if (call === undefined) t.respond(481);
    else call.written(t);
  }

  #refuse(m: SipRequest, refusal: RequestRefusal, flow: Flow): void {
    this.open(m, flow, undefined).respond(refusal.status, refusal);
    this.#stack.emit({ type: 'refused', status: refusal.status, reason: refusal.reason ?? '', flow });
  }

  get #full(): boolean {
    return this.#table.size >= (this.#stack.config.maxCalls ?? 10_000);
  }

  /** The same request over two paths (§8.2.2.2), or one of ours that came back to us (as RFC 5393 §4.2 has proxies see it). */
  #merged(m: SipRequest): RequestRefusal | undefined {
    if (this.#stack.layer.isMerged(m)) return { status: 482 };
    if (this.#stack.layer.isOurs(m))
      return { status: 482, headers: warning('This request is our own and came back to us.') };
    return undefined;
  }

  /** RFC 3891 §3: an INVITE that is to take the place of a call finds it, or is refused. */
  #replacing(m: SipRequest, flow: Flow): void {
    const found = this.#table.replacedBy(m);
    if (found === undefined || found instanceof Session) return this.#invite(m, flow, found);
    this.#refuse(m, found, flow);
  }

  #invite(m: SipRequest, flow: Flow, replaced: Session | undefined): void {
    const id = `in-${++this.#calls}`;
    const t = this.#stack.layer.open(m, flow, newTag(this.#stack));
    const call = new IncomingCall(this.#stack, id, t, flow, s => this.#table.forget(s), replaced);
    this.#table.keep(call);
    this.#received(id, flow);
    call.trying();
  }

  open(m: SipRequest, flow: Flow, call: string | undefined): ServerTransaction {
    const t = this.#stack.layer.open(m, flow, tagOf(m.to) ?? newTag(this.#stack));
    t.call = call;
    if (m.method === 'INVITE') t.respond(100);
    return t;
  }
}
