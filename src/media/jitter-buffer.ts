import type { MediaPacket } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { Drops } from '../kit/limits.ts';

/** How long a block of played sound is. */
const BLOCK_MS = 20;
/** Slots of the ring: 640 ms of 20 ms packets, 320 ms of 10 ms ones. */
const CAPACITY = 32;
/** Larger payloads are no audio packets. */
const MAX_BYTES = 2048;
const MIN_TARGET_MS = 20;
const START_TARGET_MS = 40;
const MAX_TARGET_MS = 120;
/** Transit times this far from the usual mean that the sender began anew (or was away). */
const RESTART_MS = 500;
/** Sequence numbers that far back are a sender's new beginning, not reordering. */
const RESTART_SEQ = 100;
/** As many late packets in a row: they are the stream now. */
const RESTART_LATE = 8;
/** The shortest transit is searched for in this long a window, so that it follows clock drift. */
const WINDOW_MS = 5000;
/** How long loss, or a buffer that ran empty, is concealed before it is taken for silence. */
const CONCEAL_LOSS_MS = 100;
const CONCEAL_EMPTY_MS = 60;
/** Sound this much later than it should be is skipped even in speech. */
const MAX_LAG_MS = 60;
/** Quieter than −60 dBov: a block may go or come without being heard. */
const QUIET_LEVEL = 60;

/** A packet as the buffer keeps it. `payload` is borrowed: valid until the next `insert`. */
export interface JitterPacket {
  readonly seq: number;
  readonly pts: number;
  readonly level: number;
  readonly payload: Uint8Array;
}

class Slot implements JitterPacket {
  used = false;
  seq = 0;
  pts = 0;
  ticks = 0;
  level = 0;
  #bytes = new Uint8Array(0);
  #view = this.#bytes;

  fill(p: MediaPacket, ticks: number): void {
    const n = p.payload.length;
    if (this.#bytes.length < n) this.#bytes = this.#view = new Uint8Array(Math.min(MAX_BYTES, n * 2));
    this.#bytes.set(p.payload);
    if (this.#view.length !== n) this.#view = this.#bytes.subarray(0, n);
    this.used = true;
    this.seq = p.seq;
    this.pts = p.pts;
    this.ticks = ticks;
    this.level = p.level ?? 0; // unknown: take it for sound
  }
  get payload(): Uint8Array {
    return this.#view;
  }
}

/**
 * Evens out arrival times before a decoder. Packets go in as they come (`insert`); the player asks for what comes
 * next whenever it has less than a block of sound (`next`), and `ticks` says how much media time that answer fills.
 * ```
 *   transit = arrival − pts        shortest transit of the last seconds = base
 *   a packet is due at               base + pts + target,   target 20 … 120 ms by observed jitter
 * ```
 * The play-out point is media time, so loss, reordering and silence gaps all leave it in place. It moves only in
 * silence, when more than `MAX_LAG_MS` behind, when the buffer ran empty, and in a hole when the target has grown.
 */
export class JitterBuffer {
  /** Media time covered by the last answer of `next`. */
  ticks = 0;
  /** After `missing`: the packet right behind the lost one, if there: it may carry the lost sound (opus FEC). */
  successor: JitterPacket | undefined;
  readonly drops = new Drops();
  readonly #slots: readonly Slot[] = Array.from({ length: CAPACITY }, () => new Slot());
  readonly #clockRate: number;
  readonly #blockTicks: number;
  readonly #ticksOf: (payload: Uint8Array) => number;
  #top = Number.NEGATIVE_INFINITY;
  #played = Number.NEGATIVE_INFINITY;
  #topPts = 0;
  #cursor: number | undefined;
  #concealedMs = 0;
  #lateRun = 0;
  #base = Number.POSITIVE_INFINITY;
  #baseBefore = Number.POSITIVE_INFINITY;
  #windowEnd: Millis = Number.NEGATIVE_INFINITY;
  #observedAt: Millis = Number.NEGATIVE_INFINITY;
  /** 95th percentile of how much longer than the shortest a packet travels. */
  #jitterMs = START_TARGET_MS - BLOCK_MS;

  /** `ticksOf` tells how long the sound of a payload is; 0 marks junk. */
  constructor(clockRate: number, ticksOf: (payload: Uint8Array) => number) {
    this.#clockRate = clockRate;
    this.#blockTicks = (clockRate * BLOCK_MS) / 1000;
    this.#ticksOf = ticksOf;
  }

  /** Delay aimed at, from the fastest packet's arrival to its playing. */
  get targetMs(): number {
    return Math.min(MAX_TARGET_MS, Math.max(MIN_TARGET_MS, this.#jitterMs + BLOCK_MS));
  }

  /** Pts of what `next` gives next; undefined while nothing is being played. */
  get cursor(): number | undefined {
    return this.#cursor;
  }

  insert(p: MediaPacket, now: Millis): void {
    const ticks = p.payload.length > MAX_BYTES ? 0 : this.#ticksOf(p.payload);
    if (ticks === 0) return this.drops.count('junk');
    const transitMs = now - this.#ms(p.pts);
    if (this.#isRestart(p, transitMs)) this.#restart();
    this.#observe(transitMs, now);
    if (p.seq <= this.#played) return this.#late(transitMs);
    const slot = this.#slot(p.seq);
    if (slot.used && slot.seq === p.seq) return this.drops.count('duplicate');
    if (p.seq <= this.#top - CAPACITY) return this.drops.count('late');
    if (slot.used) {
      this.drops.count('overfull'); // a whole ring behind: nobody played it
      this.#played = Math.max(this.#played, slot.seq);
    }
    this.#lateRun = 0;
    slot.fill(p, ticks);
    if (p.seq > this.#top) {
      this.#top = p.seq;
      this.#topPts = p.pts;
    }
  }

  /** What to play at `at`: a packet, `missing` (conceal `ticks` of it) or `empty` (silence of `ticks`). */
  next(at: Millis): JitterPacket | 'missing' | 'empty' {
    this.successor = undefined;
    this.ticks = this.#blockTicks;
    const dueMs = at - this.#shortest() - this.targetMs;
    let head = this.#head();
    if (this.#cursor === undefined) {
      if (head === undefined || this.#ms(head.pts) > dueMs) return 'empty';
      this.#cursor = head.pts;
    }
    while (head !== undefined && head.pts + head.ticks / 2 <= this.#cursor) head = this.#skip(head, 'late');
    if (head !== undefined) head = this.#catchUp(head, dueMs);
    if (head === undefined) return this.#ranEmpty(dueMs);
    if (head.pts > this.#cursor + this.#blockTicks / 10) return this.#gap(head, dueMs);
    if (dueMs - this.#ms(head.pts) < -BLOCK_MS && head.level >= QUIET_LEVEL) return 'empty'; // wait a block
    this.#take(head);
    this.#cursor = head.pts + head.ticks;
    this.ticks = head.ticks;
    this.#concealedMs = 0;
    return head;
  }

  /** Forgets what is buffered and when it came; what was learned about jitter stays. */
  #restart(): void {
    for (const slot of this.#slots) slot.used = false;
    this.#top = this.#played = Number.NEGATIVE_INFINITY;
    this.#cursor = undefined;
    this.#lateRun = 0;
    this.#base = this.#baseBefore = Number.POSITIVE_INFINITY;
    this.drops.count('restart');
  }

  #isRestart(p: MediaPacket, transitMs: number): boolean {
    if (this.#top === Number.NEGATIVE_INFINITY) return false;
    const step = p.seq - this.#top;
    if (step < -RESTART_SEQ || this.#lateRun >= RESTART_LATE) return true;
    if (step <= 0) return false;
    return p.pts < this.#topPts || Math.abs(transitMs - this.#shortest()) > RESTART_MS;
  }

  #shortest(): number {
    return Math.min(this.#base, this.#baseBefore);
  }

  #observe(transitMs: number, now: Millis): void {
    if (now >= this.#windowEnd) {
      this.#baseBefore = this.#base;
      this.#base = transitMs;
      this.#windowEnd = now + WINDOW_MS;
    } else this.#base = Math.min(this.#base, transitMs);
    if (now < this.#observedAt + BLOCK_MS / 2) return; // a burst after a stall is one event, not twenty
    this.#observedAt = now;
    // Stochastic quantile: up by 19 parts when exceeded, down by one when not, rests where 5 % exceed it.
    const extraMs = transitMs - this.#shortest();
    this.#jitterMs += extraMs > this.#jitterMs ? 3.8 : -0.2;
    this.#jitterMs = Math.min(MAX_TARGET_MS, Math.max(0, this.#jitterMs));
  }

  #late(transitMs: number): void {
    this.drops.count('late');
    this.#lateRun++;
    const extraMs = Math.min(MAX_TARGET_MS, transitMs - this.#shortest());
    if (extraMs > this.#jitterMs) this.#jitterMs += (extraMs - this.#jitterMs) / 2;
  }

  /** Behind by a packet in silence, or by far too much: skip. Never the only one there is. */
  #catchUp(head: Slot, dueMs: number): Slot | undefined {
    for (;;) {
      const lagMs = dueMs - this.#ms(head.pts);
      const quiet = head.level >= QUIET_LEVEL && lagMs > this.#ms(head.ticks) + 5;
      if ((!quiet && lagMs <= MAX_LAG_MS) || head.seq === this.#top) return head;
      const end = head.pts + head.ticks;
      const next = this.#skip(head, quiet ? 'shortened' : 'overfull');
      this.#cursor = Math.max(this.#cursor as number, next === undefined ? end : Math.min(end, next.pts));
      if (next === undefined || quiet) return next;
      head = next;
    }
  }

  /**
   * Sound that is not there but whose successor is: lost, or (sequence without a hole) never sent. Where the target grew
   * meanwhile the play-out point waits in the hole: what is lost now and then comes late now and then, by redundancy.
   */
  #gap(head: Slot, dueMs: number): 'missing' | 'empty' {
    const cursor = this.#cursor as number;
    const isLost = head.seq !== this.#played + 1;
    if (isLost && dueMs < this.#ms(cursor) - BLOCK_MS / 2) return this.#conceal(CONCEAL_LOSS_MS);
    this.ticks = Math.min(this.#blockTicks, head.pts - cursor);
    this.#cursor = cursor + this.ticks;
    if (!isLost) return 'empty';
    if (head.seq === this.#played + 2 && this.#cursor === head.pts) this.successor = head;
    return this.#conceal(CONCEAL_LOSS_MS);
  }

  /** Nothing there. When the target grew meanwhile the play-out point stays, so that what is on its way is played. */
  #ranEmpty(dueMs: number): 'missing' | 'empty' {
    const cursor = this.#cursor as number;
    if (dueMs >= this.#ms(cursor) - BLOCK_MS / 2) this.#cursor = cursor + this.#blockTicks;
    const answer = this.#conceal(CONCEAL_EMPTY_MS);
    if (answer === 'empty') {
      this.#cursor = undefined;
      this.#concealedMs = 0;
    }
    return answer;
  }

  #conceal(upToMs: number): 'missing' | 'empty' {
    this.#concealedMs += BLOCK_MS;
    return this.#concealedMs <= upToMs ? 'missing' : 'empty';
  }

  /** The oldest packet not played yet. */
  #head(): Slot | undefined {
    if (this.#top === Number.NEGATIVE_INFINITY) return undefined;
    for (let seq = Math.max(this.#played + 1, this.#top - CAPACITY + 1); seq <= this.#top; seq++) {
      const slot = this.#slot(seq);
      if (slot.used && slot.seq === seq) return slot;
    }
    return undefined;
  }

  #skip(head: Slot, reason: string): Slot | undefined {
    this.drops.count(reason);
    this.#take(head);
    return this.#head();
  }

  #take(head: Slot): void {
    head.used = false;
    this.#played = head.seq;
  }

  #slot(seq: number): Slot {
    return this.#slots[((seq % CAPACITY) + CAPACITY) % CAPACITY] as Slot;
  }

  #ms(ticks: number): number {
    return (ticks * 1000) / this.#clockRate;
  }
}
