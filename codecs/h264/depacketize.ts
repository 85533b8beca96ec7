import type { MediaPacket } from '../../src/contract.ts';
import { InOrder, type PictureLoss } from '../in-order.ts';
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

const MAX_UNIT_BYTES = 4 * 1024 * 1024;
const MAX_UNITS = 512;

/**
 * RTP payloads to access units, RFC 6184 modes 0 and 1 (single units, STAP-A, FU-A). Packets out of order are put
 * right within a small bound; after a gap everything up to the next keyframe is dropped, since a decoder would show
 * the damage until then. `lost` is told once per dropped packet or unit, and the first time after good ones is the
 * moment to ask for a keyframe.
 */
export function h264Depacketizer(
  on: (unit: AccessUnit) => void,
  lost: (why: PictureLoss) => void = () => {},
): Depacketizer {
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
  const damage = (why: PictureLoss): void => {
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
  const take = (p: MediaPacket): void => {
    const type = p.payload.length === 0 ? 0 : nalType(p.payload);
    if (pts !== undefined && p.pts !== pts) finish();
    if (pts === undefined) {
      pts = p.pts;
      broken = uncertain && !(p.frame?.start ?? (type === NalType.sps || type === NalType.aud));
      uncertain = false;
    }
    key ||= p.frame?.key === true;
    if (!broken) {
      if (type === NalType.stapA) aggregate(p.payload);
      else if (type === NalType.fuA) fragment(p.payload);
      else if (type > 0 && type < NalType.stapA) unit(p.payload);
      else damage('malformed'); // MTAP, FU-B and STAP-B belong to mode 2
    }
    if (p.marker) finish();
  };
  const order = new InOrder({
    take,
    gap() {
      lost('gap');
      broken = uncertain = waitKey = true;
    },
    late: () => lost('reordered-late'),
    anew() {
      waitKey = uncertain = true;
      forget();
    },
  });

  return {
    push: packet => order.push(packet),
    reset() {
      order.reset();
      waitKey = uncertain = true;
      forget();
    },
  };
}
