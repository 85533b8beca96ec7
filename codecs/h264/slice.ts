import { BitReader } from './bits.ts';
import { NalType, nalType } from './nal.ts';

export type SliceType = 'P' | 'B' | 'I';

/** The beginning of a slice header, H.264 §7.3.3. */
export interface SliceStart {
  /** Address of its first macroblock: 0 begins a picture (no arbitrary slice order here). */
  readonly firstMb: number;
  /** SP counts as P, SI as I. */
  readonly type: SliceType;
  readonly pps: number;
}

const TYPES: readonly SliceType[] = ['P', 'B', 'I', 'P', 'I'];

/** Of a slice (unit type 1, 2 or 5), which may be cut behind some bytes; undefined when it is none or is junk. */
export function readSlice(unit: Uint8Array): SliceStart | undefined {
  if (unit.length < 2 || !isSlice(nalType(unit))) return undefined;
  return readSliceAt(unit, 1);
}

/** The same where the header begins at byte `from`: of a FU-A, 2. */
export function readSliceAt(bytes: Uint8Array, from: number): SliceStart | undefined {
  const b = new BitReader(bytes, from);
  const firstMb = b.ue(139_263); // MaxFS of level 6.2
  const type = TYPES[b.ue(9) % 5] as SliceType;
  const pps = b.ue(255);
  return b.bad ? undefined : { firstMb, type, pps };
}

/** Type 2 is the first partition of a slice (extended profile). */
export const isSlice = (type: number): boolean =>
  type === NalType.slice || type === NalType.idr || type === 2;

/** Picture parameter set, §7.3.2.2: whose it is. Undefined when it is none or is junk. */
export function readPps(unit: Uint8Array): { id: number; sps: number; cabac: boolean } | undefined {
  if (unit.length < 2 || nalType(unit) !== NalType.pps) return undefined;
  const b = new BitReader(unit, 1);
  const id = b.ue(255);
  const sps = b.ue(31);
  const cabac = b.flag();
  return b.bad ? undefined : { id, sps, cabac };
}
