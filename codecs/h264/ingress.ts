import type { FrameMark, MediaPacket, Millis, Sink } from '../../src/contract.ts';
import { type Picture, Pictures, type VideoIngress, type VideoIngressNeeds } from '../video-ingress.ts';
import { H264FormatWatch } from './format.ts';
import { NalType, nalType } from './nal.ts';
import { isSlice, readSliceAt } from './slice.ts';

/** Parameter sets and SEI wait for the slice behind them; these bounds are for those that lie. */
const MAX_HELD = 8;
const MAX_HELD_BYTES = 4096;

interface Held {
  readonly seq: number;
  readonly picture: Picture;
  readonly start: boolean;
  readonly config: boolean;
  readonly payload: Uint8Array;
}

/**
 * RTP payloads of H.264 as they come in (RFC 6184, packetization modes 0 and 1) get their frame marks; nothing is
 * changed, reordered or repaired. Malformed ones are dropped with a reason.
 *
 * What stands before the first slice of a picture is held until that slice comes (it is in the next packet), because
 * only the slice tells whether this is a keyframe: some phones repeat parameter sets before any picture.
 * A key picture is an IDR picture. `temporal` is 1 for slices nothing refers to (nal_ref_idc 0), else 0.
 */
export const h264Ingress =
  (needs: VideoIngressNeeds): VideoIngress =>
  next => {
    const look = new PayloadLook(new H264FormatWatch(f => needs.format(f)));
    const pictures = new Pictures();
    const mark: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };
    const ahead: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0), frame: mark };
    const held: Held[] = [];

    const flush = (now: Millis): void => {
      for (const h of held) {
        ahead.seq = h.seq;
        ahead.pts = h.picture.pts;
        ahead.payload = h.payload;
        mark.start = h.start;
        mark.end = false;
        mark.key = h.picture.key;
        mark.config = h.config;
        mark.temporal = 0;
        next(ahead, now);
      }
      held.length = 0;
    };

    const pass: Sink<MediaPacket> = (p, now) => {
      const junk = look.at(p.payload);
      if (junk !== undefined) return needs.drop(junk);
      const waiting = held[0]?.picture;
      if (waiting !== undefined && waiting.pts !== p.pts) flush(now);
      const picture = pictures.of(p.pts);
      if (look.idr) picture.key = true;
      const start = pictures.begins(picture, p.seq, p.marker, look.first);
      const mayWait = !look.slice && !p.marker && p.payload.length <= MAX_HELD_BYTES;
      if (mayWait && held.length < MAX_HELD) {
        held.push({ seq: p.seq, picture, start, config: look.config, payload: p.payload.slice() });
        return;
      }
      flush(now);
      mark.start = start;
      mark.end = p.marker;
      mark.key = picture.key;
      mark.config = look.config;
      mark.temporal = look.disposable ? 1 : 0;
      p.frame = mark;
      next(p, now);
    };
    return pass;
  };

/** What one payload holds. Reused: `at` overwrites all fields. */
class PayloadLook {
  /** Has a slice, or a piece of one. */
  slice = false;
  idr = false;
  config = false;
  disposable = false;
  /** A picture may begin with it. */
  first = false;
  readonly #watch: H264FormatWatch;
  constructor(watch: H264FormatWatch) {
    this.#watch = watch;
  }

  /** The reason when it is junk. */
  at(b: Uint8Array): string | undefined {
    this.slice = this.idr = this.config = this.disposable = this.first = false;
    if (b.length < 2) return 'h264-short';
    const head = b[0] as number;
    if (head & 0x80) return 'h264-forbidden-bit'; // RFC 6184 §5.3: bit errors
    this.disposable = (head & 0x60) === 0;
    const type = head & 31;
    if (type === NalType.stapA) return this.#aggregate(b);
    if (type === NalType.fuA) return this.#fragment(b);
    if (type === 0 || type > NalType.stapA) return 'h264-payload-type'; // MTAP, FU-B, STAP-B belong to mode 2
    return this.#unit(b, true);
  }

  #unit(unit: Uint8Array, foremost: boolean): string | undefined {
    const type = nalType(unit);
    if (isSlice(type)) return this.#slice(unit, 1, type, foremost);
    if (foremost) this.first = true;
    if (type === NalType.sps && !this.#watch.sps(unit)) return 'h264-sps';
    if (type === NalType.sps || type === NalType.pps) this.config = true;
  }

  #slice(b: Uint8Array, from: number, type: number, foremost: boolean): string | undefined {
    this.slice = true;
    if (type === NalType.idr) this.idr = true;
    const slice = readSliceAt(b, from);
    if (slice === undefined) return 'h264-slice';
    this.#watch.slice(slice.type);
    if (foremost && slice.firstMb === 0) this.first = true;
  }

  /** STAP-A, RFC 6184 §5.7.1: `| 24 | size 2 | unit | size 2 | unit …` */
  #aggregate(b: Uint8Array): string | undefined {
    for (let at = 1; at < b.length; ) {
      const length = at + 2 <= b.length ? (b[at] as number) * 256 + (b[at + 1] as number) : 0;
      at += 2;
      if (length === 0 || at + length > b.length) return 'h264-aggregate';
      const unit = b.subarray(at, at + length);
      const type = nalType(unit);
      if (type === 0 || type >= NalType.stapA) return 'h264-aggregate';
      const junk = this.#unit(unit, at === 3);
      if (junk !== undefined) return junk;
      at += length;
    }
  }

  /** FU-A, §5.8: `| 28 |S|E|R| type | piece` */
  #fragment(b: Uint8Array): string | undefined {
    if (b.length < 3) return 'h264-fragment';
    const head = b[1] as number;
    const type = head & 31;
    if (type === 0 || type >= NalType.stapA) return 'h264-fragment';
    const starts = (head & 0x80) !== 0;
    if (isSlice(type)) {
      if (starts) return this.#slice(b, 2, type, true);
      this.slice = true;
      if (type === NalType.idr) this.idr = true;
      return;
    }
    this.config = type === NalType.sps || type === NalType.pps;
    this.first = starts;
  }
}
