import type { MediaPacket, Millis } from '../../../contract.ts';
import {
  RED_BLOCK_HEADER_BYTES,
  RED_MAX_BLOCK,
  RED_MAX_OFFSET,
  RED_PRIMARY_HEADER_BYTES,
  RedWriter,
} from '../../rtp/red.ts';
import { AUDIO_TYPE, NONE } from '../header.ts';
import type { History } from './history.ts';
import { MAX_RED_HEADER_BYTES, writeRedHeader } from './red-header.ts';
import { MAX_BLOCKS, RED_PATTERNS } from './red-patterns.ts';

/** A sealed packet with what it carries again is no longer than this, bytes: it passes every network in one piece. */
export const RED_PACKET_BYTES = 1200;
const TAG_BYTES = 16;
/** Older sound comes too late to be played. */
const MAX_AGE_MS = 400;

/** Writes packets that carry earlier ones of their flow again. */
export class RedBuilder {
  readonly #writer = new RedWriter();
  readonly #payload = new Uint8Array(RED_PACKET_BYTES);
  /** Indexes in the history, nearest packet first; −1: an empty block keeps the place of a packet that is not there. */
  readonly #picked = new Int16Array(MAX_BLOCKS);
  readonly #blocks = new Uint8Array(MAX_BLOCKS);
  /** Of the payload written last. */
  #length = 0;

  /** Writes the header into `out` and keeps the payload; returns the length of the header. 0: there is nothing to repeat. */
  build(
    out: Uint8Array,
    history: History,
    flow: number,
    pattern: number,
    p: MediaPacket,
    seq: number,
    timestamp: number,
    ssrc: number,
    now: Millis,
  ): number {
    const level = p.level ?? NONE;
    const count = this.#pick(history, flow, pattern, p.payload.length, seq, timestamp, level, now);
    if (count === 0) return 0;
    this.#writer.begin();
    for (let i = 0; i < count; i++) this.#add(history, i, this.#picked[count - 1 - i] as number, timestamp);
    this.#length = this.#writer.write(this.#payload, AUDIO_TYPE, p.payload);
    return writeRedHeader(out, p.marker, level, pattern, this.#blocks, count, seq, timestamp, ssrc);
  }

  /** Borrowed. */
  payload(): Uint8Array {
    return this.#payload.subarray(0, this.#length);
  }

  /** How many blocks there will be: the oldest are left out when they are not there or do not fit. */
  #pick(
    history: History,
    flow: number,
    pattern: number,
    primaryBytes: number,
    seq: number,
    timestamp: number,
    level: number,
    now: Millis,
  ): number {
    const distances = RED_PATTERNS[pattern] as readonly number[];
    let room = RED_PACKET_BYTES - MAX_RED_HEADER_BYTES - RED_PRIMARY_HEADER_BYTES - primaryBytes - TAG_BYTES;
    let count = 0;
    for (let i = 0; i < distances.length; i++) {
      const at = this.#find(history, flow, seq - (distances[i] as number), timestamp, level, now);
      room -= RED_BLOCK_HEADER_BYTES + (at < 0 ? 0 : history.length(at));
      if (room < 0) break;
      this.#picked[i] = at;
      if (at >= 0) count = i + 1;
    }
    return count;
  }

  /** A packet that can be a block: not too far back, and with a level if the primary has one (they share an extension). */
  #find(history: History, flow: number, seq: number, timestamp: number, level: number, now: Millis): number {
    if (seq < 0) return -1;
    const at = history.find(flow, seq);
    if (at < 0 || now - (history.times[at] as number) > MAX_AGE_MS) return -1;
    const offset = timestamp - (history.timestamps[at] as number);
    if (offset < 0 || offset > RED_MAX_OFFSET) return -1;
    const bytes = history.length(at);
    if (bytes === 0 || bytes > RED_MAX_BLOCK) return -1;
    return (history.levels[at] as number) < 0 === level < 0 ? at : -1;
  }

  #add(history: History, i: number, at: number, timestamp: number): void {
    if (at < 0) {
      this.#writer.add(AUDIO_TYPE, 0, history.bytes, 0, 0);
      this.#blocks[i] = 0;
      return;
    }
    const offset = timestamp - (history.timestamps[at] as number);
    this.#writer.add(AUDIO_TYPE, offset, history.bytes, history.start(at), history.length(at));
    const level = Math.max(0, history.levels[at] as number);
    this.#blocks[i] = ((history.markers[at] as number) << 7) | level;
  }
}
