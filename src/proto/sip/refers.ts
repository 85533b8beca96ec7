import { parseNameAddr } from './address.ts';
import { headerText, type SipRequest, type SipResponse } from './message.ts';
import { type Replaces, referTarget, referTo } from './replaces.ts';
import type { Stack } from './stack.ts';
import { T1_64, type Timer, type TimerOwner } from './timers.ts';
import type { ServerTransaction } from './transaction.ts';
import { Undecided } from './undecided.ts';
import { type Body, type HeaderLine, reasonPhrase } from './write.ts';

/** Transfers of one call under way at once, each way. */
const MAX_REFERS = 4;
/** How long the peer may hear of a transfer it asked for, and the longest we listen to one of ours. */
const SUBSCRIPTION_S = 300;

/** What transfers need of the call they belong to. */
export interface ReferUser {
  readonly id: string;
  /** Sends a request within the dialog; returns its CSeq. */
  ask(
    method: string,
    more: { headers: readonly HeaderLine[]; body?: Body },
    done: (status: number, r?: SipResponse) => void,
  ): number;
}

/** A transfer the peer asked for. `asked`: the application decides. `accepted`: the peer hears of it by NOTIFY. */
interface Asked {
  readonly state: 'asked' | 'accepted';
  readonly undecided: Undecided;
  readonly first: boolean;
  /** A NOTIFY is on the wire; only the newest word waits behind it (RFC 6665 §4.2.2: one at a time). */
  busy: boolean;
  next: { readonly status: number; readonly reason: string } | undefined;
}

/** Transfers of one call: REFER and the NOTIFYs of its implicit subscription, both roles. RFC 3515. */
export class Refers {
  readonly #stack: Stack;
  readonly #user: ReferUser;
  /** By the CSeq of the peer's REFER. */
  readonly #asked = new Map<number, Asked>();
  readonly #ours = new Map<number, OurRefer>();
  #seen = false;

  constructor(stack: Stack, user: ReferUser) {
    this.#stack = stack;
    this.#user = user;
  }

  // ---------------------------------------------------------------- the peer asks us

  receive(t: ServerTransaction): void {
    const r = t.request;
    // §2.4.2: "A UA … MUST … return a 400 if the request contained zero or more than one Refer-To header field values".
    const values = r.headers.list('refer-to') ?? [];
    const address = values.length === 1 ? parseNameAddr(values[0] as string) : undefined;
    const target = address && referTarget(address.uri);
    if (address === undefined || target === undefined)
      return t.respond(400, { reason: 'REFER needs one Refer-To that can be read' });
    // §2.4.3 leaves it to us which methods we send for others: none but INVITE.
    if ((address.uri.params.get('method') ?? 'INVITE').toUpperCase() !== 'INVITE')
      return t.respond(603, { reason: 'Only calls can be asked for' });
    if (this.#asked.size >= MAX_REFERS) return t.respond(603, { reason: 'Too many transfers at once' });
    const id = r.cseq;
    const undecided = new Undecided(this.#stack.timers, t, this.#stack.now, () => this.#asked.delete(id));
    this.#asked.set(id, { state: 'asked', undecided, first: !this.#seen, busy: false, next: undefined });
    this.#seen = true;
    const referredBy = headerText(r, 'referred-by');
    this.#stack.emit({ type: 'refer', call: this.#user.id, id, ...target, referredBy });
  }

  /** §2.4.4: 202, and a NOTIFY at once. */
  accept(id: number): void {
    const asked = this.#asked.get(id);
    if (asked?.state !== 'asked') return;
    asked.undecided.respond(202);
    this.#asked.set(id, { ...asked, state: 'accepted' });
    this.notify(id, 100);
  }

  refuse(
    id: number,
    status: number,
    o: { reason?: string | undefined; headers?: readonly HeaderLine[] | undefined },
  ): void {
    const asked = this.#asked.get(id);
    if (asked?.state !== 'asked') return;
    this.#asked.delete(id);
    asked.undecided.respond(status, o);
  }

  /** §2.4.5: how the call it asked for goes; a final status is the last word. */
  notify(id: number, status: number, reason = reasonPhrase(status)): void {
    const asked = this.#asked.get(id);
    if (asked?.state !== 'accepted') return;
    if (asked.busy) {
      asked.next = { status, reason };
      return;
    }
    asked.busy = true;
    const last = status >= 200;
    if (last) this.#asked.delete(id);
    const headers: HeaderLine[] = [
      // §2.4.6: the first REFER of a dialog may go without an id.
      ['Event', asked.first ? 'refer' : `refer;id=${id}`],
      ['Subscription-State', last ? 'terminated;reason=noresource' : `active;expires=${SUBSCRIPTION_S}`],
    ];
    const body = { type: 'message/sipfrag;version=2.0', content: `SIP/2.0 ${status} ${reason}\r\n` };
    this.#user.ask('NOTIFY', { headers, body }, answer => {
      asked.busy = false;
      const { next } = asked;
      asked.next = undefined;
      // RFC 6665 §4.2.2: a 481 ends the subscription.
      if (answer === 481) this.#asked.delete(id);
      else if (next !== undefined) this.notify(id, next.status, next.reason);
    });
  }

  // ---------------------------------------------------------------- we ask the peer

  send(id: string, to: string, replaces: Replaces | undefined, headers: readonly HeaderLine[]): void {
    if (this.#ours.size >= MAX_REFERS) return this.#tell(id, 603, true);
    const all = [['Refer-To', referTo(to, replaces)] as const, ...headers];
    const seq = this.#user.ask('REFER', { headers: all }, status => {
      if (status >= 300) this.#end(seq, status);
    });
    const gone = (): void => this.#end(seq, 408);
    this.#ours.set(seq, new OurRefer(this.#stack, id, this.#ours.size === 0, gone));
  }

  /** RFC 6665 §4.1.3: a NOTIFY for no subscription of ours is 481; of an event we never ask for, 489. */
  notified(t: ServerTransaction): void {
    const r = t.request;
    const [event = '', ...params] = (r.headers.get('event') ?? '')
      .split(';')
      .map(s => s.trim().toLowerCase());
    if (event !== 'refer') return t.respond(489, { headers: [['Allow-Events', 'refer']] });
    const said = params.find(p => p.startsWith('id='))?.slice(3);
    const seq = said === undefined ? this.#first() : Number(said);
    const ours = this.#ours.get(seq ?? Number.NaN);
    if (seq === undefined || ours === undefined) return t.respond(481);
    t.respond(200);
    const status = sipfragStatus(r);
    const state = (r.headers.get('subscription-state') ?? '').trim().toLowerCase();
    const done = state.startsWith('terminated') || (status ?? 0) >= 200;
    if (status !== undefined && status > 100) ours.status = status;
    if (done) return this.#end(seq, ours.status);
    ours.heard(Number(/;\s*expires\s*=\s*(\d{1,6})/.exec(state)?.[1] ?? SUBSCRIPTION_S));
    if (status !== undefined) this.#tell(ours.id, status, false);
  }

  /** The call is over: nothing is sent, nothing waits any more. */
  stop(): void {
    for (const asked of this.#asked.values()) asked.undecided.respond(487);
    this.#asked.clear();
    for (const seq of [...this.#ours.keys()]) this.#end(seq, 487);
  }

  #first(): number | undefined {
    for (const [seq, ours] of this.#ours) if (ours.first) return seq;
    return undefined;
  }

  #end(seq: number, status: number): void {
    const ours = this.#ours.get(seq);
    if (ours === undefined) return;
    this.#ours.delete(seq);
    ours.stop();
    this.#tell(ours.id, status, true);
  }

  #tell(id: string, status: number, done: boolean): void {
    this.#stack.emit({ type: 'referred', call: this.#user.id, id, status, done });
  }
}

/** A transfer we asked for, until the peer's last word. */
class OurRefer implements TimerOwner {
  readonly id: string;
  /** A NOTIFY without an id means this one. */
  readonly first: boolean;
  /** The last the peer said: when its subscription ends without a final word, this was it. */
  status = 487;
  readonly #stack: Stack;
  readonly #gone: () => void;
  #limit: Timer;

  constructor(stack: Stack, id: string, first: boolean, gone: () => void) {
    this.#stack = stack;
    this.id = id;
    this.first = first;
    this.#gone = gone;
    // RFC 6665 §4.1.2.4, timer N: the first NOTIFY comes within 64*T1, or there is no subscription.
    this.#limit = stack.timers.start(this, 'limit', stack.now + T1_64);
  }

  heard(expiresS: number): void {
    this.stop();
    const ms = Math.min(expiresS, SUBSCRIPTION_S) * 1000;
    this.#limit = this.#stack.timers.start(this, 'limit', this.#stack.now + Math.max(ms, T1_64));
  }

  timer(): void {
    this.#gone();
  }

  stop(): void {
    this.#stack.timers.stop(this.#limit);
  }
}

/** The status in a body of `message/sipfrag` (RFC 3420): its first line. */
function sipfragStatus(r: SipRequest): number | undefined {
  const m = /^SIP\/2\.0 ([1-6]\d\d)(?:\s|$)/.exec(r.body.toString('latin1', 0, 20));
  return m === null ? undefined : Number(m[1]);
}
