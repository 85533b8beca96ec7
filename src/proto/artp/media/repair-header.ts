import { MAX_SOURCES } from './erasure.ts';
import type { History } from './history.ts';

/** Payload type of a packet from which lost ones of a frame are computed. */
export const REPAIR_TYPE = 100;

/**
 * What a repair packet says before its symbol. Members are the packets base + i for every bit i of the mask, lowest
 * bit of the first byte first; without a mask all `span` from the base on.
 * ```
 * | base sequence (16) | row (8) | M | 0 | span − 1 (6) | mask, (span + 7) / 8 bytes, if M |
 * symbol: | payload length (16) | marks (8) | marker 1 | marked 1 | 0 (6) | payload, filled up with zeros |
 * ```
 * The symbol is the sum of the members' symbols, each times its coefficient (erasure.ts).
 */
export const SYMBOL_HEADER_BYTES = 4;
const MASKED = 0x80;

/** Which packets a group has: bit i of `low`, from 32 on of `high`. */
export interface Members {
  readonly base: number;
  readonly span: number;
  readonly low: number;
  readonly high: number;
}

export const isMember = (m: Members, offset: number): boolean =>
  (offset < 32 ? m.low >>> offset : m.high >>> (offset - 32)) % 2 === 1;

/** Returns the length. */
export function writeRepairHeader(out: Uint8Array, m: Members, row: number): number {
  out[0] = (m.base >>> 8) & 255;
  out[1] = m.base & 255;
  out[2] = row;
  let all = true;
  for (let i = 0; i < m.span; i++) all &&= isMember(m, i);
  out[3] = (all ? 0 : MASKED) | (m.span - 1);
  if (all) return 4;
  const bytes = (m.span + 7) >>> 3;
  for (let i = 0; i < bytes; i++) out[4 + i] = (i < 4 ? m.low >>> (i * 8) : m.high >>> (i * 8 - 32)) & 255;
  return 4 + bytes;
}

/** Reused for every packet: `read` overwrites all fields. */
export class RepairHeader implements Members {
  base = 0;
  span = 0;
  low = 0;
  high = 0;
  row = 0;
  symbolStart = 0;

  /** Reads `b` from `start` to `end`; false: junk. */
  read(b: Uint8Array, start: number, end: number): boolean {
    if (end - start < 4) return false;
    this.base = ((b[start] as number) << 8) | (b[start + 1] as number);
    this.row = b[start + 2] as number;
    const last = b[start + 3] as number;
    this.span = (last & (MAX_SOURCES - 1)) + 1;
    this.low = this.high = 0;
    const bytes = (last & MASKED) === 0 ? 0 : (this.span + 7) >>> 3;
    this.symbolStart = start + 4 + bytes;
    if (this.symbolStart + SYMBOL_HEADER_BYTES > end) return false;
    if (bytes === 0) {
      this.low = this.span >= 32 ? -1 : (1 << this.span) - 1;
      this.high = this.span <= 32 ? 0 : this.span === 64 ? -1 : (1 << (this.span - 32)) - 1;
      return true;
    }
    for (let i = 0; i < bytes; i++) {
      const byte = b[start + 4 + i] as number;
      if (i < 4) this.low |= byte << (i * 8);
      else this.high |= byte << (i * 8 - 32);
    }
    return true;
  }
}

const MARKER = 0x80;
const MARKED = 0x40;

/** What of a packet is computed together with its payload. */
export function writeSymbolHeader(out: Uint8Array, history: History, at: number): void {
  const length = history.length(at);
  const marks = history.marks[at] as number;
  out[0] = length >>> 8;
  out[1] = length & 255;
  out[2] = marks < 0 ? 0 : marks;
  out[3] = (history.markers[at] === 1 ? MARKER : 0) | (marks < 0 ? 0 : MARKED);
}

/** Of a symbol header: marks (−1: none) and marker. */
export const symbolMarks = (b: Uint8Array, at: number): number =>
  (b[at + 3] as number) & MARKED ? (b[at + 2] as number) : -1;
export const symbolMarker = (b: Uint8Array, at: number): boolean => ((b[at + 3] as number) & MARKER) !== 0;
