import type { FrameMark } from '../../src/contract.ts';
import { isParameterSet, NalType, nalType } from './nal.ts';

/** Room for one payload inside common path MTUs, with RTP, extensions, SRTP and a tunnel around it. */
const MAX_PAYLOAD_BYTES = 1200;

export type EmitPayload = (payload: Uint8Array, mark: FrameMark) => void;

/**
 * NAL units to RTP payloads, RFC 6184 packetization-mode 1: whole units where they fit (§5.6), else FU-A (§5.8).
 * ```
 * FU-A: |F|NRI 2| 28 |  |S|E|0| type 5 |  piece
 * ```
 * One per stream; `payload` and `mark` are borrowed for the call. RTP's marker is `mark.end`.
 */
export function h264Packetizer(maxPayloadBytes: number = MAX_PAYLOAD_BYTES) {
  const fragment = new Uint8Array(maxPayloadBytes);
  const mark: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };

  const fragments = (unit: Uint8Array, last: boolean, emit: EmitPayload): void => {
    const head = unit[0] as number;
    fragment[0] = (head & 0xe0) | NalType.fuA;
    const piece = maxPayloadBytes - 2;
    for (let from = 1; from < unit.length; from += piece) {
      const to = Math.min(unit.length, from + piece);
      fragment[1] = (from === 1 ? 0x80 : 0) | (to === unit.length ? 0x40 : 0) | (head & 31);
      fragment.set(unit.subarray(from, to), 2);
      mark.end = last && to === unit.length;
      emit(fragment.subarray(0, 2 + to - from), mark);
      mark.start = false;
    }
  };

  /** The payloads of one access unit, in order. */
  return (units: readonly Uint8Array[], key: boolean, emit: EmitPayload): void => {
    mark.start = true;
    mark.key = key;
    for (let i = 0; i < units.length; i++) {
      const unit = units[i] as Uint8Array;
      const last = i === units.length - 1;
      mark.config = isParameterSet(unit);
      if (unit.length > maxPayloadBytes) {
        fragments(unit, last, emit);
        continue;
      }
      mark.end = last;
      emit(unit, mark);
      mark.start = false;
    }
  };
}

/** True when a decoder can begin with this access unit. */
export const startsDecoding = (units: readonly Uint8Array[]): boolean =>
  units.some(unit => nalType(unit) === NalType.idr);
