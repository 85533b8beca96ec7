import type { FrameMark, MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Tap } from './tap.ts';

const CLOCK_HZ = 90_000;
/** A group of pictures longer than this is not kept: its viewers wait for the next keyframe. */
const MAX_GROUP_MS = 6000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Distance of the pictures in a burst of cached ones: shown as fast as they decode, the last one is of now. */
const BURST_TICKS = CLOCK_HZ / 1000;
/** Parameter sets are some dozens of bytes; there are a few. */
const MAX_CONFIG_BYTES = 4096;
const MAX_CONFIGS = 8;

interface Kept {
  seq: number;
  pts: number;
  marker: boolean;
  /** Number of its picture within the group. */
  picture: number;
  offset: number;
  length: number;
  readonly frame: FrameMark;
}

/**
 * What a new viewer of a track needs: its parameter sets always, and for publishers that cannot be asked for a
 * keyframe (RTMP) the group of pictures since the last one. Sees every packet before the viewers do.
 */
export class PictureCache {
  readonly tap: Tap;
  /** The packet at hand is the first of a keyframe: a viewer may begin here. */
  atKeyframe = false;
  readonly #keepGroup: boolean;
  readonly #done: () => void;
  readonly #untap: () => void;
  readonly #configs: { pts: number; payload: Uint8Array }[] = [];
  #kept: Kept[] = [];
  #bytes = new Uint8Array(0);
  #used = 0;
  /** From a keyframe on, `#kept` is whole. */
  #whole = false;
  #lastPts: number | undefined;
  /** The picture at hand: seen from its first packet, and already known to be a keyframe. */
  #fromStart = false;
  #keyed = false;
  #pictures = 0;
  /** Reused for every replayed packet. */
  readonly #mark: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };
  readonly #packet: MediaPacket & { frame: FrameMark } = {
    seq: 0,
    pts: 0,
    marker: false,
    payload: this.#bytes,
    frame: this.#mark,
  };

  /** `done` gives the tap back. */
  constructor(tap: Tap, keepGroup: boolean, done: () => void) {
    this.tap = tap;
    this.#keepGroup = keepGroup;
    this.#done = done;
    this.#untap = tap.add(packet => this.#see(packet));
  }

  /** True when `replay` gives a picture at once. */
  get ready(): boolean {
    return this.#whole;
  }

  /** The group so far, closing up to the newest picture, which keeps its own pts. */
  replay(sink: Sink<MediaPacket>, now: Millis): void {
    const packet = this.#packet;
    packet.frame = this.#mark;
    const last = this.#kept.at(-1);
    if (last === undefined) return;
    const first = this.#kept[0] as Kept;
    if (!first.frame.config)
      this.sendConfig(sink, first.seq, last.pts - (last.picture - first.picture) * BURST_TICKS, now);
    for (const kept of this.#kept) {
      packet.seq = kept.seq;
      packet.pts = last.pts - (last.picture - kept.picture) * BURST_TICKS;
      packet.marker = kept.marker;
      packet.payload = this.#bytes.subarray(kept.offset, kept.offset + kept.length);
      copyMark(kept.frame, this.#mark);
      sink(packet, now);
    }
  }

  /** The parameter sets in force, as the beginning of the picture whose first packet has `seq` and `pts`. */
  sendConfig(sink: Sink<MediaPacket>, seq: number, pts: number, now: Millis): void {
    const packet = this.#packet;
    packet.pts = pts;
    packet.marker = false;
    for (const [i, config] of this.#configs.entries()) {
      packet.seq = seq - this.#configs.length + i;
      packet.payload = config.payload;
      copyMark({ start: i === 0, end: false, key: true, config: true, temporal: 0 }, this.#mark);
      sink(packet, now);
    }
  }

  /** The stream was interrupted or changed: what is kept belongs to another picture. */
  reset(): void {
    this.#whole = false;
    this.#configs.length = 0;
    this.#forget(this.#kept.length);
  }

  close(): void {
    this.#untap();
    this.#done();
  }

  #see(p: MediaPacket): void {
    const frame = p.frame;
    this.atKeyframe = false;
    if (frame === undefined) return;
    if (p.pts !== this.#lastPts) {
      this.#fromStart = frame.start || this.#lastPts !== undefined;
      this.#keyed = false;
      this.#pictures++;
      this.#lastPts = p.pts;
      if (!this.#whole) this.#forget(this.#kept.length);
    }
    if (frame.config) this.#keepConfig(p);
    if (frame.key && !this.#keyed && (this.#fromStart || frame.start)) {
      this.#keyed = true;
      this.atKeyframe = true;
      if (this.#keepGroup) this.#beginGroup(p.pts);
    }
    if (this.#keepGroup) this.#keep(p, frame);
  }

  #keepConfig(p: MediaPacket): void {
    if (p.payload.length > MAX_CONFIG_BYTES) return; // aggregated with the picture itself
    if (this.#configs[0]?.pts !== p.pts) this.#configs.length = 0;
    if (this.#configs.length < MAX_CONFIGS) this.#configs.push({ pts: p.pts, payload: p.payload.slice() });
  }

  /** Only what belongs to the picture at hand (parameter sets before the keyframe) stays. */
  #beginGroup(pts: number): void {
    let from = this.#kept.length;
    while (from > 0 && this.#kept[from - 1]?.pts === pts) from--;
    this.#forget(from);
    this.#whole = true;
  }

  #keep(p: MediaPacket, frame: FrameMark): void {
    const first = this.#kept[0];
    const spanMs = first === undefined ? 0 : ((p.pts - first.pts) * 1000) / CLOCK_HZ;
    if (spanMs > MAX_GROUP_MS || this.#used + p.payload.length > MAX_BYTES) {
      this.#whole = false;
      this.#forget(this.#kept.length);
      return;
    }
    this.#room(this.#used + p.payload.length);
    this.#bytes.set(p.payload, this.#used);
    this.#kept.push({
      seq: p.seq,
      pts: p.pts,
      marker: p.marker,
      picture: this.#pictures,
      offset: this.#used,
      length: p.payload.length,
      frame: { ...frame },
    });
    this.#used += p.payload.length;
  }

  /** Drops everything before entry `from`. */
  #forget(from: number): void {
    const base = this.#kept[from]?.offset ?? this.#used;
    this.#bytes.copyWithin(0, base, this.#used);
    this.#used -= base;
    this.#kept = this.#kept.slice(from);
    for (const kept of this.#kept) kept.offset -= base;
  }

  #room(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#bytes.length * 2, 64 * 1024));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}

function copyMark(from: FrameMark, to: FrameMark): void {
  to.start = from.start;
  to.end = from.end;
  to.key = from.key;
  to.config = from.config;
  to.temporal = from.temporal;
}
