import type { MediaPacket, Millis } from '../../../contract.ts';
import { writeRtpHeader } from '../../rtp/rtp.ts';
import { addProduct, coefficient, MAX_REPAIRS, MAX_SOURCES } from './erasure.ts';
import type { History } from './history.ts';
import type { OutFlow } from './out-flow.ts';
import {
  isMember,
  REPAIR_TYPE,
  SYMBOL_HEADER_BYTES,
  writeRepairHeader,
  writeSymbolHeader,
} from './repair-header.ts';
import type { SendLine } from './send-line.ts';
import { KIND, withKind } from './ssrc.ts';

/** Fractions add up in binary: ten times 0.1 is one. */
const ROUNDING = 1e-9;

/**
 * Repair packets for the frames of one track: at the end of each frame as many as the policy says for its kind.
 * Fractions of a packet are kept for the next frame of that kind.
 */
export class RepairWriter {
  readonly #line: SendLine;
  readonly #history: History;
  readonly #sent: (bytes: number) => void;
  /** Owed to key frames, layer 0 and the layers above. */
  readonly #owed = [0, 0, 0];
  #flow: OutFlow | undefined;
  #timestamp = 0;
  /** Its members lie in the history. */
  readonly #group = { base: 0, span: 0, low: 0, high: 0 };
  #packets = 0;
  #longest = 0;
  #protection = 2;
  readonly #symbolHeader = new Uint8Array(SYMBOL_HEADER_BYTES);

  constructor(line: SendLine, history: History, sent: (bytes: number) => void) {
    this.#line = line;
    this.#history = history;
    this.#sent = sent;
  }

  /** A packet was sent, marked REPAIRED, and put into the history. */
  note(flow: OutFlow, seq: number, timestamp: number, p: MediaPacket, now: Millis): void {
    const offset = seq - this.#group.base;
    const fits = flow === this.#flow && timestamp === this.#timestamp && offset >= 0 && offset < MAX_SOURCES;
    if (this.#packets > 0 && !fits) this.flush(now);
    if (this.#packets === 0) this.#begin(flow, seq, timestamp);
    this.#add(seq - this.#group.base, p);
    if (p.frame?.end ?? p.marker) this.flush(now);
  }

  /** The frame, or this part of it, is complete. */
  flush(now: Millis): void {
    const flow = this.#flow;
    if (flow === undefined || this.#packets === 0) return;
    const kind = this.#protection;
    const owed = (this.#owed[kind] as number) + this.#packets * (this.#line.video.repair[kind] as number);
    const whole = Math.floor(owed + ROUNDING);
    this.#owed[kind] = owed - whole;
    const rows = Math.min(MAX_REPAIRS, whole);
    for (let row = 0; row < rows; row++) if (!this.#write(flow, row, now)) break;
    this.#packets = 0;
  }

  #begin(flow: OutFlow, seq: number, timestamp: number): void {
    this.#flow = flow;
    this.#timestamp = timestamp;
    const g = this.#group;
    g.base = seq;
    g.span = g.low = g.high = 0;
    this.#longest = 0;
    this.#protection = 2;
  }

  #add(offset: number, p: MediaPacket): void {
    const g = this.#group;
    if (offset < 32) g.low |= 1 << offset;
    else g.high |= 1 << (offset - 32);
    if (offset >= g.span) g.span = offset + 1;
    this.#packets++;
    if (p.payload.length > this.#longest) this.#longest = p.payload.length;
    const { frame } = p;
    const kind = frame?.key || frame?.config ? 0 : (frame?.temporal ?? 0) === 0 ? 1 : 2;
    if (kind < this.#protection) this.#protection = kind;
  }

  /** False: the packet cannot be made. */
  #write(flow: OutFlow, row: number, now: Millis): boolean {
    const { scratch, extra } = this.#line;
    const symbolAt = writeRepairHeader(scratch, this.#group, row);
    const end = symbolAt + SYMBOL_HEADER_BYTES + this.#longest;
    scratch.fill(0, symbolAt, end);
    for (let i = 0; i < this.#group.span; i++)
      if (isMember(this.#group, i) && !this.#addMember(flow, row, i, symbolAt)) return false;
    const seq = flow.nextRepair();
    if (seq < 0) return false;
    const ssrc = withKind(flow.ssrc, KIND.repair);
    const headerBytes = writeRtpHeader(extra, REPAIR_TYPE, false, seq, this.#timestamp, ssrc);
    this.#line.spend();
    const length = flow.cipher.seal(extra, headerBytes, scratch.subarray(0, end), ssrc, 0, seq);
    const { copies, twoPaths } = this.#line.video;
    this.#sent(copies * length);
    this.#line.emit(extra, length, copies, twoPaths, now);
    return true;
  }

  #addMember(flow: OutFlow, row: number, offset: number, symbolAt: number): boolean {
    const history = this.#history;
    const at = history.find(flow.key, this.#group.base + offset);
    if (at < 0) return false;
    const factor = coefficient(row, offset);
    writeSymbolHeader(this.#symbolHeader, history, at);
    addProduct(this.#line.scratch, symbolAt, this.#symbolHeader, 0, SYMBOL_HEADER_BYTES, factor);
    const payloadAt = symbolAt + SYMBOL_HEADER_BYTES;
    addProduct(this.#line.scratch, payloadAt, history.bytes, history.start(at), history.length(at), factor);
    return true;
  }
}
