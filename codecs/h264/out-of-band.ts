import type { MediaPacket } from '../../src/contract.ts';
import type { VideoIngress } from '../video-ingress.ts';
import { isParameterSet, NalType, nalType } from './nal.ts';
import { readSliceAt } from './slice.ts';

/** Parameter sets are some dozens of bytes, and few. */
const MAX_SETS = 8;
const MAX_SET_BYTES = 1024;

/**
 * SDP's `sprop-parameter-sets` (RFC 6184 §8.1): base64, separated by commas. Empty when there is nothing usable:
 * an SPS and a PPS.
 */
export function readSprop(text: string): Uint8Array[] {
  const sets = text
    .split(',', MAX_SETS)
    .map(part => Uint8Array.from(Buffer.from(part, 'base64')))
    .filter(unit => unit.length > 1 && unit.length <= MAX_SET_BYTES && isParameterSet(unit));
  const has = (type: number): boolean => sets.some(unit => nalType(unit) === type);
  return has(NalType.sps) && has(NalType.pps) ? sets : [];
}

/**
 * Stands before the ingress when a peer told its parameter sets in SDP: a keyframe that comes without any gets them,
 * as packets of their own, since rooms carry them in the stream. From there on `seq` is shifted by what was put in;
 * packets must come in order, but for stragglers of the keyframe before.
 */
export const h264OutOfBand =
  (sets: readonly Uint8Array[]): VideoIngress =>
  next => {
    const out: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
    let shift = 0;
    let shiftBefore = 0;
    /** Where `shift` begins to count. */
    let from = Number.NEGATIVE_INFINITY;
    let setsAt = Number.NaN;

    const pass = (seq: number, pts: number, marker: boolean, payload: Uint8Array, now: number): void => {
      out.seq = seq;
      out.pts = pts;
      out.marker = marker;
      out.payload = payload;
      next(out, now);
    };

    return (p, now) => {
      const { sps, idr } = holds(p.payload);
      if (sps) setsAt = p.pts;
      else if (idr && setsAt !== p.pts && p.seq > from) {
        shiftBefore = shift;
        from = p.seq;
        setsAt = p.pts;
        for (const set of sets) pass(p.seq + shift++, p.pts, false, set, now);
      }
      pass(p.seq + (p.seq >= from ? shift : shiftBefore), p.pts, p.marker, p.payload, now);
    };
  };

/** Whether an SPS is in this payload, and whether an IDR picture begins in it. */
function holds(b: Uint8Array): { sps: boolean; idr: boolean } {
  const found = { sps: false, idr: false };
  const look = (unit: Uint8Array, type: number, header: number): void => {
    if (type === NalType.sps) found.sps = true;
    else if (type === NalType.idr && readSliceAt(unit, header)?.firstMb === 0) found.idr = true;
  };
  if (b.length < 2) return found;
  const type = nalType(b);
  if (type === NalType.fuA) {
    const head = b[1] as number;
    if (head & 0x80) look(b, head & 31, 2);
  } else if (type === NalType.stapA) {
    for (let at = 1; at + 2 < b.length; ) {
      const length = (b[at] as number) * 256 + (b[at + 1] as number);
      const unit = b.subarray(at + 2, at + 2 + length);
      if (unit.length > 0) look(unit, nalType(unit), 1);
      at += 2 + length;
    }
  } else look(b, type, 1);
  return found;
}
