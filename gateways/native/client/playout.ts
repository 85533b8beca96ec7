import type { Clock, Format, MediaPacket, Millis, Sink, TrackEvent } from '../../../src/contract.ts';
import { Alarm } from '../../../src/io/alarm.ts';
import { NEVER } from '../../../src/kit/core.ts';
import { JitterBuffer } from '../../../src/media/jitter-buffer.ts';
import { packetTicks } from '../../../src/media/packet-ticks.ts';

/** What is to be heard next; `ticks`: how long that is, in the clock of its format. Bytes are borrowed: copy what must last. */
export type Sound =
  | { readonly type: 'packet'; readonly payload: Uint8Array; readonly pts: number; readonly ticks: number }
  /** Lost, or not here yet: conceal it. `next`: the packet right behind it, for a decoder that finds the lost one there (Opus). */
  | { readonly type: 'missing'; readonly ticks: number; readonly next?: Uint8Array }
  | { readonly type: 'silence'; readonly ticks: number };

/** How much is asked for at once. */
const BLOCK_MS = 20;
/** A program that slept longer than this does not hear all that it missed. */
const MAX_BEHIND_MS = 200;
/** Nothing came for so long: nothing is played until something comes. */
const IDLE_MS = 1000;

/**
 * Sound of a track in order and at its time, a block every 20 ms. What redundancy brings back comes up to 120 ms later than
 * what was not lost, and behind its successors; the delay follows what is seen of that.
 */
export class Playout {
  readonly #play: (s: Sound, now: Millis) => void;
  readonly #alarm: Alarm;
  #format: Format | undefined;
  #buffer: JitterBuffer | undefined;
  /** When the next block is; NEVER while nothing comes. */
  #dueAt: Millis = NEVER;
  #heardAt: Millis = 0;
  /** Given to the player beyond that, ticks. */
  #ahead = 0;
  #closed = false;

  constructor(clock: Clock, play: (s: Sound, now: Millis) => void) {
    this.#play = play;
    this.#alarm = new Alarm(clock, now => this.#turn(now));
  }

  readonly sink: Sink<MediaPacket> = (packet, now) => {
    if (this.#closed || this.#buffer === undefined) return;
    this.#buffer.insert(packet, now);
    this.#heardAt = now;
    if (this.#dueAt === NEVER) this.#alarm.set((this.#dueAt = now));
  };

  /** The word about the track: its format may be another one from here on. */
  told(e: TrackEvent): void {
    if (e.type !== 'serving') return;
    const { codec, clockRate } = e.format;
    if (this.#format?.codec === codec && this.#format.clockRate === clockRate) return;
    this.#format = e.format;
    this.#buffer = new JitterBuffer(clockRate, payload => packetTicks(codec, payload));
    this.#ahead = 0;
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#alarm.stop();
  }

  #turn(now: Millis): void {
    if (now - this.#heardAt > IDLE_MS) this.#dueAt = NEVER;
    for (; this.#dueAt <= now && !this.#closed; this.#dueAt += BLOCK_MS)
      if (now - this.#dueAt <= MAX_BEHIND_MS) this.#block(this.#dueAt, now);
    this.#alarm.set(this.#dueAt);
  }

  #block(at: Millis, now: Millis): void {
    const buffer = this.#buffer as JitterBuffer;
    const blockTicks = ((this.#format as Format).clockRate * BLOCK_MS) / 1000;
    for (; this.#ahead < blockTicks && !this.#closed; ) {
      const got = buffer.next(at);
      const { ticks, successor } = buffer;
      this.#ahead += ticks;
      if (got === 'empty') this.#play({ type: 'silence', ticks }, now);
      else if (got !== 'missing')
        this.#play({ type: 'packet', payload: got.payload, pts: got.pts, ticks }, now);
      else this.#play({ type: 'missing', ticks, ...(successor && { next: successor.payload }) }, now);
    }
    this.#ahead -= blockTicks;
  }
}
