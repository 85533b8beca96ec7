import type { MediaPacket } from '../../contract.ts';
import type { Millis } from '../../kit/core.ts';

/** What can still be repaired: a packet older than this is not asked for any more. */
const KEEP_MS = 1000;
const FIRST_BYTES = 128 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
const FIRST_PACKETS = 256;
const MOST_PACKETS = 4096;

/**
 * About the last second of one stream's payloads, for retransmission: one per stream and process, shared by all who
 * are sent it, whatever numbers, keys and addresses each of them has. Grows with the bit rate, within bounds.
 */
export class PacketLog {
  /** Of the packet `find` found; borrowed. */
  payload: Uint8Array;
  marker = false;
  #bytes = new Uint8Array(FIRST_BYTES);
  /** Bytes ever written, holes at the end of the ring counted. */
  #written = 0;
  /** By position modulo their length: where a packet begins (as `#written` counts), its length and marker, and when. */
  #begins = new Float64Array(FIRST_PACKETS);
  #lengths = new Uint16Array(FIRST_PACKETS);
  #markers = new Uint8Array(FIRST_PACKETS);
  #times = new Float64Array(FIRST_PACKETS);
  /** Position of the next packet, and of the first since the ring grew. */
  #next = 0;
  #first = 0;
  /** Position of the first younger than KEEP_MS, as far as it was looked for. */
  #young = 0;
  #lastSeq = Number.NaN;
  #lastPts = Number.NaN;

  constructor() {
    this.payload = this.#bytes;
  }

  /** Where the packet is from now on. The same packet, put by the next who sends it, has the same position. */
  put(p: MediaPacket, now: Millis): number {
    const last = (this.#next - 1) & (this.#lengths.length - 1);
    if (p.seq === this.#lastSeq && p.pts === this.#lastPts && p.payload.length === this.#lengths[last])
      return this.#next - 1;
    this.#room(p.payload.length, now);
    const ring = this.#bytes.length;
    const offset = this.#written % ring;
    if (offset + p.payload.length > ring) this.#written += ring - offset;
    const at = this.#next & (this.#lengths.length - 1);
    this.#begins[at] = this.#written;
    this.#lengths[at] = p.payload.length;
    this.#markers[at] = p.marker ? 1 : 0;
    this.#times[at] = now;
    this.#bytes.set(p.payload, this.#written % ring);
    this.#written += p.payload.length;
    this.#lastSeq = p.seq;
    this.#lastPts = p.pts;
    return this.#next++;
  }

  /** True when the packet is still here: `payload` and `marker` are its. */
  find(position: number): boolean {
    if (position < this.#first || position >= this.#next) return false;
    if (this.#next - position > this.#lengths.length) return false;
    const at = position & (this.#lengths.length - 1);
    const begins = this.#begins[at]!;
    if (this.#written - begins > this.#bytes.length) return false;
    const offset = begins % this.#bytes.length;
    this.payload = this.#bytes.subarray(offset, offset + this.#lengths[at]!);
    this.marker = this.#markers[at] === 1;
    return true;
  }

  /** Bytes of memory held. */
  get size(): number {
    return this.#bytes.length + this.#lengths.length * 19;
  }

  /** Doubles what would overwrite something young. What is there is let go: that happens a few times, at the start. */
  #room(length: number, now: Millis): void {
    const packets = this.#lengths.length;
    this.#young = Math.max(this.#young, this.#next - packets);
    while (this.#young < this.#next && now - this.#times[this.#young & (packets - 1)]! >= KEEP_MS)
      this.#young++;
    if (this.#young === this.#next) return;
    const bytes = this.#written + length - this.#begins[this.#young & (packets - 1)]!;
    if (this.#next - this.#young === packets && packets < MOST_PACKETS)
      this.#grow(this.#bytes.length, packets * 2);
    else if (bytes > this.#bytes.length && this.#bytes.length < MOST_BYTES)
      this.#grow(this.#bytes.length * 2, packets);
  }

  #grow(bytes: number, packets: number): void {
    if (bytes > this.#bytes.length) this.#bytes = new Uint8Array(bytes);
    this.#begins = new Float64Array(packets);
    this.#lengths = new Uint16Array(packets);
    this.#markers = new Uint8Array(packets);
    this.#times = new Float64Array(packets);
    this.#first = this.#young = this.#next;
    this.#written = 0;
  }
}
