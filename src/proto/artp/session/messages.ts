import type { Json, Millis } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import { ACK_BITS_BYTES, type Control } from './app.ts';

type Fragment = Extract<Control, { type: 'fragment' }>;

export const MAX_MESSAGE_BYTES = 32 * 1024;
/** What may wait for its acknowledgement. */
export const MAX_UNSAID_BYTES = 512 * 1024;
const FRAGMENT_BYTES = 1000;
/** Fragments under way: as many as one acknowledgement can tell apart. */
const WINDOW = ACK_BITS_BYTES * 8;
const REPEAT_MS = 40;
/** Media waits for the announcement of its flow: a small one, said more often. */
const FLOW_REPEAT_MS = 20;
const SLOWEST_MS = 1000;
/** Repeats keep their pace this long, then slow down to one a second: whoever is gone is not to be flooded. */
const PATIENCE_MS = 2000;
/** Bytes at once before the rate counts. */
const BURST_BYTES = 8 * FRAGMENT_BYTES;

interface Waiting {
  readonly fragment: Fragment;
  firstAt: Millis;
  sentAt: Millis;
  acknowledged: boolean;
}

/**
 * Messages on their way to the other side: cut into fragments, each repeated until it is acknowledged. Repeats come at
 * a steady pace: whether one in two or four in five is lost, what is repeated often arrives soon.
 */
export class MessageSender {
  readonly #waiting: Waiting[] = [];
  #nextNumber = 0;
  #bytes = 0;
  #allowance = BURST_BYTES;
  #filledAt: Millis | undefined;
  /** When `due` has something, at the soonest. */
  deadline: Millis = NEVER;

  get bytes(): number {
    return this.#bytes;
  }

  /** Since when the oldest message that was said waits for an answer, ms; 0: none does. */
  unacknowledgedMs(now: Millis): number {
    const oldest = this.#waiting[0];
    return oldest === undefined || oldest.firstAt === NEVER ? 0 : now - oldest.firstAt;
  }

  /** False when more waits already than may. A longer message than MAX_MESSAGE_BYTES is a bug: RangeError. */
  say(message: Json, flow: boolean, now: Millis): boolean {
    const text = Buffer.from(JSON.stringify(message));
    if (text.length > MAX_MESSAGE_BYTES)
      throw new RangeError(`a message of ${text.length} bytes is longer than ${MAX_MESSAGE_BYTES}`);
    if (this.#bytes + text.length > MAX_UNSAID_BYTES) return false;
    for (let at = 0; at < text.length; at += FRAGMENT_BYTES) {
      const data = text.subarray(at, at + FRAGMENT_BYTES);
      const last = at + FRAGMENT_BYTES >= text.length;
      const number = this.#nextNumber++;
      const fragment: Fragment = { type: 'fragment', number, first: at === 0, last, flow, data };
      this.#waiting.push({ fragment, firstAt: NEVER, sentAt: -NEVER, acknowledged: false });
      this.#bytes += data.length;
    }
    this.deadline = now;
    return true;
  }

  /** Hands out what is to be sent (again) now, oldest first, within `bytesPerMs`. */
  due(now: Millis, rttMs: number, bytesPerMs: number, send: (f: Fragment) => void): void {
    const elapsedMs = this.#filledAt === undefined ? 0 : now - this.#filledAt;
    this.#filledAt = now;
    this.#allowance = Math.min(BURST_BYTES, this.#allowance + elapsedMs * bytesPerMs);
    this.deadline = NEVER;
    const window = this.#waiting.slice(0, WINDOW);
    for (const w of window) {
      if (w.acknowledged) continue;
      const dueAt = w.sentAt + repeatMs(w, rttMs);
      if (dueAt > now) {
        this.deadline = Math.min(this.deadline, dueAt);
        continue;
      }
      if (this.#allowance < w.fragment.data.length) {
        const wait = Math.ceil((w.fragment.data.length - this.#allowance) / bytesPerMs);
        this.deadline = Math.min(this.deadline, now + Math.max(1, wait));
        return;
      }
      this.#allowance -= w.fragment.data.length;
      w.firstAt = Math.min(w.firstAt, now);
      w.sentAt = now;
      send(w.fragment);
      this.deadline = Math.min(this.deadline, now + repeatMs(w, rttMs));
    }
  }

  /** Of numbers never sent nothing is believed: they are left out. */
  acknowledged(next: number, bits: Uint8Array, now: Millis): void {
    const waiting = this.#waiting;
    const base = this.#nextNumber - waiting.length;
    if (next > this.#nextNumber) return;
    for (let i = 0; i < Math.min(WINDOW, waiting.length); i++) {
      const ahead = base + i - next;
      if (ahead < 0 || (ahead > 0 && isSet(bits, ahead - 1))) this.#mark(waiting[i] as Waiting);
    }
    let moved = false;
    while (waiting[0]?.acknowledged) {
      waiting.shift();
      moved = true;
    }
    // What stood beyond the window may go now.
    if (moved) this.deadline = waiting.length === 0 ? NEVER : Math.min(this.deadline, now);
  }

  #mark(w: Waiting): void {
    if (w.acknowledged || w.firstAt === NEVER) return;
    w.acknowledged = true;
    this.#bytes -= w.fragment.data.length;
  }
}

const isSet = (bits: Uint8Array, bit: number): boolean => (((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;

function repeatMs(w: Waiting, rttMs: number): number {
  const steady = w.fragment.flow ? FLOW_REPEAT_MS : Math.min(SLOWEST_MS, Math.max(REPEAT_MS, 1.5 * rttMs));
  const late = w.sentAt - w.firstAt - PATIENCE_MS;
  return late > 0 ? Math.min(SLOWEST_MS, steady + late / 4) : steady;
}

export type MessageJunk = 'fragment-ahead' | 'fragment-long' | 'message-junk';

/** Puts fragments in order and messages together. Holds at most a window of fragments and one message. */
export class MessageReceiver {
  readonly #on: (message: Json, flow: boolean, now: Millis) => void;
  readonly #early = new Map<number, Fragment>();
  #next = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** Whether something came that is to be acknowledged. */
  owesAck = false;

  constructor(on: (message: Json, flow: boolean, now: Millis) => void) {
    this.#on = on;
  }

  receive(f: Fragment, now: Millis): MessageJunk | undefined {
    this.owesAck = true; // a repeat says that the acknowledgement was lost
    if (f.number < this.#next || this.#early.has(f.number)) return undefined;
    if (f.number > this.#next + WINDOW) return 'fragment-ahead';
    if (f.data.length > FRAGMENT_BYTES) return 'fragment-long';
    this.#early.set(f.number, { ...f, data: Buffer.from(f.data) });
    let junk: MessageJunk | undefined;
    for (let next: Fragment | undefined; (next = this.#early.get(this.#next)) !== undefined; ) {
      this.#early.delete(this.#next++);
      junk = this.#take(next, now) ?? junk;
    }
    return junk;
  }

  /** What is here. */
  ack(): Control {
    this.owesAck = false;
    const bits = Buffer.alloc(ACK_BITS_BYTES);
    for (const number of this.#early.keys()) {
      const bit = number - this.#next - 1;
      bits[bit >> 3]! |= 1 << (bit & 7);
    }
    return { type: 'ack', next: this.#next, bits };
  }

  #take(f: Fragment, now: Millis): MessageJunk | undefined {
    if (f.first) {
      this.#parts = [];
      this.#partBytes = 0;
    }
    this.#partBytes += f.data.length;
    if (this.#partBytes > MAX_MESSAGE_BYTES) {
      this.#parts = [];
      return 'message-junk';
    }
    this.#parts.push(f.data);
    if (!f.last) return undefined;
    const text = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#partBytes = 0;
    let message: Json;
    try {
      message = JSON.parse(text) as Json;
    } catch {
      return 'message-junk';
    }
    this.#on(message, f.flow, now);
    return undefined;
  }
}
