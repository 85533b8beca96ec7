import { type Millis, NEVER } from '../../kit/core.ts';
import { plainRecord, type RecordCipher } from './record.ts';
import { CONTENT } from './wire.ts';

/** One record of a flight, before it is written: every sending has record numbers of its own (RFC 6347 §4.2.4). */
export interface FlightRecord {
  readonly type: number;
  readonly epoch: number;
  readonly bytes: Buffer;
}

/** What fits every path, with IPv6 and a tunnel (RFC 8200 §5 asks for 1280). */
const DATAGRAM_BYTES = 1200;
/** When a flight that is not answered is sent again. */
export interface FlightTiming {
  /** Doubles with every sending, up to `maxMs`. */
  readonly firstMs: Millis;
  readonly maxMs: Millis;
  readonly sendings: number;
}

/** RFC 6347 §4.2.4.1 says 1 s; a caller waits. */
const TIMING: FlightTiming = { firstMs: 400, maxMs: 6_400, sendings: 16 };
/** The flight is not repeated faster than this, however often the peer asks: no amplifier. */
const MIN_REPEAT_MS = 100;

/** Writes records, packs a flight into datagrams, and knows when to send it again. */
export class FlightSender {
  #flight: readonly FlightRecord[] = [];
  #cipher: RecordCipher | undefined;
  readonly #nextSeq: [number, number] = [0, 0];
  readonly #timing: FlightTiming;
  #timeoutMs: Millis;
  #sendings = 0;
  #sentAt: Millis = 0;
  #deadline: Millis = NEVER;

  constructor(timing: FlightTiming = TIMING) {
    this.#timing = timing;
    this.#timeoutMs = timing.firstMs;
  }

  /** When `send` is due again. */
  get deadline(): Millis {
    return this.#deadline;
  }

  /** What seals epoch 1. */
  keys(cipher: RecordCipher): void {
    this.#cipher = cipher;
  }

  begin(flight: readonly FlightRecord[]): void {
    this.#flight = flight;
    this.#timeoutMs = this.#timing.firstMs;
    this.#sendings = 0;
  }

  mayRepeat(now: Millis): boolean {
    return this.#sendings < this.#timing.sendings && now - this.#sentAt >= MIN_REPEAT_MS;
  }

  /** The datagrams of the flight, with fresh record numbers. */
  send(now: Millis): Buffer[] {
    this.#sendings++;
    this.#sentAt = now;
    this.#deadline = this.#sendings < this.#timing.sendings ? now + this.#timeoutMs : NEVER;
    this.#timeoutMs = Math.min(this.#timing.maxMs, this.#timeoutMs * 2);
    const datagrams: Buffer[] = [];
    let parts: Buffer[] = [];
    let bytes = 0;
    for (const r of this.#flight) {
      const record = this.#record(r.type, r.epoch, r.bytes);
      if (bytes > 0 && bytes + record.length > DATAGRAM_BYTES) {
        datagrams.push(Buffer.concat(parts));
        parts = [];
        bytes = 0;
      }
      parts.push(record);
      bytes += record.length;
    }
    datagrams.push(Buffer.concat(parts));
    return datagrams;
  }

  alert(epoch: 0 | 1, level: 1 | 2, code: number): Buffer {
    return this.#record(CONTENT.alert, epoch, Buffer.from([level, code]));
  }

  #record(type: number, epoch: number, bytes: Buffer): Buffer {
    const seq = this.#nextSeq[epoch === 0 ? 0 : 1]++;
    return epoch === 0 ? plainRecord(type, seq, bytes) : this.#cipher!.seal(type, seq, bytes);
  }
}
