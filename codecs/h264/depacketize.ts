import type { MediaPacket } from '../../src/contract.ts';
import { NalType, nalType } from './nal.ts';

export interface AccessUnit {
  /** Of its packets. */
  readonly pts: number;
  readonly key: boolean;
  /** NAL units in order, without start codes. Borrowed for the call. */
  readonly units: readonly Uint8Array[];
}

export interface Depacketizer {
  push(packet: MediaPacket): void;
  /** The sequence begins anew: another track, another publisher. Waits for a keyframe. */
  reset(): void;
}

/** Waiting for a missing packet costs delay: no more packets than this, no longer than that. */
const MAX_HELD = 24;
const MAX_WAIT_TICKS = 90_000 / 5;
const MAX_UNIT_BYTES = 4 * 1024 * 1024;
const MAX_UNITS = 512;
const RESTART = 1000;

interface Held {
  readonly pts: number;
  readonly marker: boolean;
  readonly start: boolean;
  readonly key: boolean;
  readonly payload: Uint8Array;
}

export type H264Loss = 'reordered-late' | 'gap' | 'malformed' | 'before-keyframe';

/**
 * RTP payloads to access units, RFC 6184 modes 0 and 1 (single units, STAP-A, FU-A). Packets out of order are put
 * right within a small bound; after a gap everything up to the next keyframe is dropped, since a decoder would show
 * the damage until then. `lost` is told once per dropped packet or unit, and the first time after good ones is the
 * moment to ask for a keyframe.
 */
export function h264Depacketizer(
  on: (unit: AccessUnit) => void,
  lost: (why: H264Loss) => void = () => {},
): Depacketizer {
  const held = new Map<number, Held>();
  let expected: number | undefined;
  let waitKey = true;
  let bytes = new Uint8Array(64 * 1024);
  let filled = 0;
  /** Ends of the units in `bytes`; the last one is open while a FU-A is under way. */
  let bounds: number[] = [];
  let inFragment = false;
  let broken = false;
  /** The next packet may stand in the middle of an access unit. */
  let uncertain = true;
  let pts: number | undefined;
  let key = false;

  const forget = (): void => {
    filled = 0;
    bounds = [];
    inFragment = broken = key = false;
    pts = undefined;
  };
  const damage = (why: H264Loss): void => {
    lost(why);
    broken = true;
    inFragment = false;
  };
  const append = (b: Uint8Array): void => {
    const need = filled + b.length;
    if (need > MAX_UNIT_BYTES) return damage('malformed');
    if (need > bytes.length) {
      const grown = new Uint8Array(Math.max(need, bytes.length * 2));
      grown.set(bytes.subarray(0, filled));
      bytes = grown;
    }
    bytes.set(b, filled);
    filled = need;
  };
  const unit = (b: Uint8Array): void => {
    if (inFragment || b.length === 0 || bounds.length >= MAX_UNITS) return damage('malformed');
    if (nalType(b) === NalType.idr) key = true;
    append(b);
    bounds.push(filled);
  };
  const finish = (): void => {
    if (pts === undefined) return;
    if (inFragment) damage('gap');
    if (broken) waitKey = true;
    else if (waitKey && !key) lost('before-keyframe');
    else if (bounds.length > 0) {
      waitKey = false;
      on({ pts, key, units: bounds.map((end, i) => bytes.subarray(i === 0 ? 0 : bounds[i - 1], end)) });
    }
    forget();
  };
  const aggregate = (b: Uint8Array): void => {
    for (let at = 1; at < b.length && !broken; ) {
      const length = at + 2 <= b.length ? (b[at] as number) * 256 + (b[at + 1] as number) : 0;
      at += 2;
      if (length === 0 || at + length > b.length) return damage('malformed');
      unit(b.subarray(at, at + length));
      at += length;
    }
  };
  const fragment = (b: Uint8Array): void => {
    if (b.length < 3) return damage('malformed');
    const head = b[1] as number;
    if (head & 0x80) {
      if (inFragment || bounds.length >= MAX_UNITS) return damage('malformed');
      if ((head & 31) === NalType.idr) key = true;
      append(Uint8Array.of(((b[0] as number) & 0xe0) | (head & 31)));
      inFragment = true;
    } else if (!inFragment) return damage('gap');
    append(b.subarray(2));
    if (head & 0x40 && !broken) {
      inFragment = false;
      bounds.push(filled);
    }
  };
  const take = (p: Held): void => {
    if (pts !== undefined && p.pts !== pts) finish();
    if (pts === undefined) {
      pts = p.pts;
      broken = uncertain && !p.start;
      uncertain = false;
    }
    key ||= p.key;
    if (!broken) {
      const type = p.payload.length === 0 ? 0 : nalType(p.payload);
      if (type === NalType.stapA) aggregate(p.payload);
      else if (type === NalType.fuA) fragment(p.payload);
      else if (type > 0 && type < NalType.stapA) unit(p.payload);
      else damage('malformed'); // MTAP, FU-B and STAP-B belong to mode 2
    }
    if (p.marker) finish();
  };
  const drain = (): void => {
    for (let next = held.get(expected as number); next !== undefined; next = held.get(expected as number)) {
      held.delete(expected as number);
      (expected as number)++;
      take(next);
    }
  };
  /** What is missing will not come: on with the oldest that is here. */
  const giveUp = (): void => {
    lost('gap');
    broken = uncertain = waitKey = true;
    expected = Math.min(...held.keys());
    drain();
  };

  return {
    push(packet) {
      expected ??= packet.seq;
      if (packet.seq < expected) {
        if (packet.seq > expected - RESTART) return lost('reordered-late');
        this.reset(); // so far back that it is no straggler: the sender began anew
        expected = packet.seq;
      }
      const type = packet.payload.length === 0 ? 0 : nalType(packet.payload);
      const item = {
        pts: packet.pts,
        marker: packet.marker,
        start: packet.frame?.start ?? (type === NalType.sps || type === NalType.aud),
        key: packet.frame?.key === true,
        payload: packet.payload,
      };
      if (packet.seq === expected) {
        expected++;
        take(item);
        return drain();
      }
      held.set(packet.seq, { ...item, payload: packet.payload.slice() });
      const oldest = (held.values().next().value as Held).pts;
      if (held.size > MAX_HELD || Math.abs(packet.pts - oldest) > MAX_WAIT_TICKS) giveUp();
    },
    reset() {
      held.clear();
      expected = undefined;
      waitKey = uncertain = true;
      forget();
    },
  };
}
