import type { Millis } from '../../kit/core.ts';
import type { SipRequest } from './message.ts';
import { T1, T1_64, type Timer, type TimerOwner, type Timers } from './timers.ts';
import type { ServerTransaction } from './transaction.ts';
import type { ResponseParts } from './write.ts';

type Parts = Omit<ResponseParts, 'topVia' | 'toTag'>;

interface Provisional {
  readonly status: number;
  readonly parts: Parts;
}

/** The reliable provisional responses to one INVITE, one at a time until each has its PRACK: RFC 3262 §3. */
export class ReliableServer implements TimerOwner {
  readonly #timers: Timers;
  readonly #transaction: ServerTransaction;
  readonly #noPrack: () => void;
  #rseq: number;
  #out: Provisional | undefined;
  readonly #waiting: Provisional[] = [];
  #again: Timer | undefined;
  #limit: Timer | undefined;
  #intervalMs = T1;

  /**
   * `first`: the first RSeq, "chosen uniformly between 1 and 2**31 - 1". `noPrack`: "If a reliable provisional response is
   * retransmitted for 64*T1 seconds without reception of a corresponding PRACK, the UAS SHOULD reject the original request".
   */
  constructor(timers: Timers, transaction: ServerTransaction, first: number, noPrack: () => void) {
    this.#timers = timers;
    this.#transaction = transaction;
    this.#noPrack = noPrack;
    this.#rseq = first - 1;
  }

  /** §3: "The UAS MUST NOT send a final [2xx] response … if any of the unacknowledged provisional responses contained a session description". */
  get holdsAnswer(): boolean {
    return this.#out?.parts.body !== undefined || this.#waiting.some(p => p.parts.body !== undefined);
  }

  /** §3: "The UAS MUST NOT send a second reliable provisional response until the first is acknowledged": so it queues. */
  send(status: number, parts: Parts, now: Millis): void {
    if (this.#out !== undefined) {
      this.#waiting.push({ status, parts });
      return;
    }
    this.#rseq++;
    const headers = [...(parts.headers ?? []), ['Require', '100rel'], ['RSeq', String(this.#rseq)]] as const;
    this.#out = { status, parts: { ...parts, headers } };
    this.#intervalMs = T1;
    this.#limit = this.#timers.start(this, 'limit', now + T1_64);
    this.#transmit(now);
  }

  /**
   * The response this PRACK is for; undefined: it is for none that waits. Its RAck is `RSeq CSeq method` (§7.2). The next that
   * queues goes out.
   */
  acknowledged(prack: SipRequest, now: Millis): { readonly hadBody: boolean } | undefined {
    const m = /^(\d+)\s+(\d+)\s+(\S+)$/.exec(prack.headers.get('rack') ?? '');
    if (this.#out === undefined || m === null) return undefined;
    const { cseq } = this.#transaction.request;
    if (Number(m[1]) !== this.#rseq || Number(m[2]) !== cseq || m[3] !== 'INVITE') return undefined;
    const hadBody = this.#out.parts.body !== undefined;
    this.#settled();
    const next = this.#waiting.shift();
    if (next !== undefined) this.send(next.status, next.parts, now);
    return { hadBody };
  }

  timer(name: string, now: Millis): void {
    if (name === 'limit') {
      this.stop();
      return this.#noPrack();
    }
    this.#transmit(now);
  }

  /** A final response is out. Its PRACK may still come: what was sent last is kept for it. */
  stop(): void {
    this.#waiting.length = 0;
    this.#timers.stop(this.#again);
    this.#timers.stop(this.#limit);
  }

  /** §3: "retransmitted with an exponential back-off", from T1 and without a cap. */
  #transmit(now: Millis): void {
    if (this.#out === undefined) return;
    this.#transaction.respond(this.#out.status, this.#out.parts);
    this.#again = this.#timers.start(this, 'again', now + this.#intervalMs);
    this.#intervalMs *= 2;
  }

  #settled(): void {
    this.#out = undefined;
    this.#timers.stop(this.#again);
    this.#timers.stop(this.#limit);
  }
}
