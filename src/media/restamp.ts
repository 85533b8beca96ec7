import type { MediaPacket } from '../contract.ts';
import type { Millis } from '../kit/core.ts';

/** A larger step than this within one source is a new beginning, not loss (RFC 3550 A.1 MAX_DROPOUT). */
const MAX_STEP = 3000;
const MAX_LEAP_S = 60;

/**
 * Makes one continuous stream of what may come from one source after another: sequence numbers go on without a
 * hole, timestamps go on by the time that passed. Within a source, gaps stay as they are, so the receiver sees
 * what was lost. `map` sets the fields below; low 16 and 32 bits are what goes on the wire.
 */
export class Restamp {
  /** Extended, of the packet mapped last. */
  seq: number;
  timestamp: number;
  /** The packet mapped last is the first of a source: of sound, it carries the marker (RFC 3551 §4.1). */
  begins = false;
  #clockRate: number;
  #seqOffset = 0;
  #timestampOffset = 0;
  #lastSeqIn = 0;
  #lastPtsIn = 0;
  #highestSeq: number;
  #highestTimestamp: number;
  #at: Millis = 0;
  #fresh = true;
  #firstSeq = Number.NEGATIVE_INFINITY;
  /** The last mapped is from before its source began here: its number is another's, and must not be sent again. */
  stale = false;
  #begun = false;

  /** `seq` and `timestamp`: of the first packet; random ones (RFC 3550 §5.1). */
  constructor(first: { clockRate: number; seq: number; timestamp: number }) {
    this.#clockRate = first.clockRate;
    this.seq = this.#highestSeq = first.seq;
    this.timestamp = this.#highestTimestamp = first.timestamp;
  }

  /** The next packet comes from another source, or counts in another clock rate. */
  restart(clockRate = this.#clockRate): void {
    this.#clockRate = clockRate;
    this.#fresh = true;
  }

  map(p: MediaPacket, now: Millis): void {
    const step = p.seq - this.#lastSeqIn;
    const ahead = (p.pts - this.#lastPtsIn) / this.#clockRate;
    const leap = Math.abs(ahead) > MAX_LEAP_S || (step > 0 && ahead < -1); // newer, yet a second older: a new clock
    this.begins = this.#fresh || Math.abs(step) > MAX_STEP || leap;
    if (this.begins) this.#anchor(p, now);
    this.#fresh = false;
    this.seq = p.seq + this.#seqOffset;
    this.stale = this.seq < this.#firstSeq;
    this.timestamp = p.pts + this.#timestampOffset;
    if (this.seq <= this.#highestSeq && this.#begun) return; // late: the newest stays the reference
    this.#begun = true;
    this.#highestSeq = this.seq;
    this.#highestTimestamp = this.timestamp;
    this.#lastSeqIn = p.seq;
    this.#lastPtsIn = p.pts;
    this.#at = now;
  }

  /** `p` becomes the successor of the newest packet: one sequence number on, and as much media time as passed. */
  #anchor(p: MediaPacket, now: Millis): void {
    const seq = this.#begun ? this.#highestSeq + 1 : this.#highestSeq;
    const passed = this.#begun ? Math.max(1, Math.round(((now - this.#at) * this.#clockRate) / 1000)) : 0;
    this.#firstSeq = seq;
    this.#seqOffset = seq - p.seq;
    this.#timestampOffset = this.#highestTimestamp + passed - p.pts;
  }
}
