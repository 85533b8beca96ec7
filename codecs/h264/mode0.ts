import type { FrameMark, MediaPacket, Sink } from '../../src/contract.ts';
import { h264Depacketizer } from './depacketize.ts';
import { isParameterSet } from './nal.ts';
import type { EmitPayload } from './packetize.ts';

/**
 * NAL units to RTP payloads of packetization-mode 0, RFC 6184 §6.2: each unit in a packet of its own. False, and
 * nothing emitted, when a unit does not fit: the picture needs an encoder with smaller slices.
 */
export function h264SinglePacketizer(maxPayloadBytes: number) {
  const mark: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };
  return (units: readonly Uint8Array[], key: boolean, emit: EmitPayload): boolean => {
    for (const unit of units) if (unit.length > maxPayloadBytes) return false;
    mark.key = key;
    for (let i = 0; i < units.length; i++) {
      const unit = units[i] as Uint8Array;
      mark.start = i === 0;
      mark.end = i === units.length - 1;
      mark.config = isParameterSet(unit);
      emit(unit, mark);
    }
    return true;
  };
}

export interface Mode0Needs {
  /** A picture has a unit that does not fit a packet: it is left out, and so will be others of this stream. */
  unfit(): void;
  /** The picture cannot go on without a keyframe. */
  keyNeeded(): void;
}

export interface Mode0Stage {
  readonly sink: Sink<MediaPacket>;
  /** Another source: its packets count anew. */
  reset(): void;
}

/**
 * Payloads as rooms carry them (mode 1) to payloads for a receiver of mode 0: aggregates are taken apart, fragments
 * put together. `seq` is of a line of its own, without holes but for what the source lost.
 */
export function h264Mode0(
  next: Sink<MediaPacket>,
  needs: Mode0Needs,
  maxPayloadBytes: number = 1400,
): Mode0Stage {
  const pack = h264SinglePacketizer(maxPayloadBytes);
  const out: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  let at = 0;
  const emit: EmitPayload = (payload, mark) => {
    out.seq++;
    out.payload = payload;
    out.marker = mark.end;
    out.frame = mark;
    next(out, at);
  };
  const units = h264Depacketizer(
    unit => {
      out.pts = unit.pts;
      if (!pack(unit.units, unit.key, emit)) needs.unfit();
    },
    why => {
      if (why === 'gap' || why === 'malformed') needs.keyNeeded();
    },
  );
  return {
    sink(p, now) {
      at = now;
      units.push(p);
    },
    reset: () => units.reset(),
  };
}
