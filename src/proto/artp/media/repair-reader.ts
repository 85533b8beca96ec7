import type { Millis } from '../../../kit/core.ts';
import { addProduct, coefficient, invert, MAX_REPAIRS, MAX_SOURCES } from './erasure.ts';
import { History } from './history.ts';
import {
  isMember,
  type Members,
  RepairHeader,
  SYMBOL_HEADER_BYTES,
  symbolMarker,
  symbolMarks,
  writeSymbolHeader,
} from './repair-header.ts';
import { SEND_BUFFER_BYTES } from './types.ts';

/** Frames with losses that are waited for at once; a power of two. */
const GROUPS = 8;
const REPAIRS = { packets: 256, bytes: 512 * 1024 } as const;

/** A frame, or a part of one, of which some packets are lost and some repair packets are here. */
class Group implements Members {
  flow = 0;
  base = 0;
  span = 0;
  low = 0;
  high = 0;
  timestamp = 0;
  symbolBytes = 0;
  /** 0: not in use. */
  rows = 0;
  readonly row = new Uint8Array(MAX_REPAIRS);
  /** Of each row: its sequence number, under which its symbol is kept. */
  readonly seq = new Uint16Array(MAX_REPAIRS);
}

/** Reused; payload borrowed. Marks −1: none. */
export interface Recovered {
  flow: number;
  seq: number;
  timestamp: number;
  marks: number;
  marker: boolean;
  payload: Uint8Array;
}

/** Computes lost packets of one track from the others of their frame and its repair packets. */
export class RepairReader {
  readonly #history: History;
  readonly #hand: (r: Recovered, now: Millis) => void;
  readonly #header = new RepairHeader();
  readonly #symbols = new History(REPAIRS.packets, REPAIRS.bytes);
  readonly #groups = Array.from({ length: GROUPS }, () => new Group());
  #next = 0;
  #live = 0;
  readonly #missing = new Uint8Array(MAX_SOURCES);
  readonly #inverse = new Uint8Array(MAX_SOURCES * MAX_SOURCES);
  readonly #symbolHeader = new Uint8Array(SYMBOL_HEADER_BYTES);
  /** What the rows say of the missing packets alone, one behind the other; then the packet that is computed. */
  #sums = new Uint8Array(0);
  readonly #symbol = new Uint8Array(SEND_BUFFER_BYTES);
  readonly #recovered: Recovered = {
    flow: 0,
    seq: 0,
    timestamp: 0,
    marks: 0,
    marker: false,
    payload: this.#symbol,
  };

  /** `history`: packets of the track that were handed on, those handed on by `hand` included. */
  constructor(history: History, hand: (r: Recovered, now: Millis) => void) {
    this.#history = history;
    this.#hand = hand;
  }

  /** An authentic repair packet, plain, in `b` from `start` to `end`. Returns why it is junk. */
  repair(
    flow: number,
    seq: number,
    timestamp: number,
    b: Uint8Array,
    start: number,
    end: number,
    now: Millis,
  ): 'repair-bad' | undefined {
    const h = this.#header;
    if (!h.read(b, start, end) || h.row >= MAX_REPAIRS) return 'repair-bad';
    const symbolBytes = end - h.symbolStart;
    if (symbolBytes > SEND_BUFFER_BYTES) return 'repair-bad';
    if (this.#misses(flow, h) === 0) return undefined;
    const group = this.#groupOf(flow, h, timestamp, symbolBytes);
    for (let i = 0; i < group.rows; i++) if (group.row[i] === h.row) return undefined;
    group.row[group.rows] = h.row;
    group.seq[group.rows] = seq;
    group.rows++;
    this.#symbols.put(flow, seq, timestamp, -1, -1, false, b.subarray(h.symbolStart, end), now);
    return this.#solve(group, now);
  }

  /** A packet was handed on, late or not: it may be the last that was wanting. */
  source(flow: number, seq: number, now: Millis): void {
    if (this.#live === 0) return;
    for (const group of this.#groups) {
      const offset = seq - group.base;
      if (group.rows > 0 && group.flow === flow && offset >= 0 && offset < group.span)
        this.#solve(group, now);
    }
  }

  /** Counts the members that are not here, into `#missing`. */
  #misses(flow: number, m: Members): number {
    let missing = 0;
    for (let i = 0; i < m.span; i++)
      if (isMember(m, i) && this.#history.find(flow, m.base + i) < 0) this.#missing[missing++] = i;
    return missing;
  }

  #groupOf(flow: number, h: RepairHeader, timestamp: number, symbolBytes: number): Group {
    for (const g of this.#groups)
      if (
        g.rows > 0 &&
        g.flow === flow &&
        g.base === h.base &&
        g.span === h.span &&
        g.low === h.low &&
        g.high === h.high &&
        g.timestamp === timestamp &&
        g.symbolBytes === symbolBytes
      )
        return g;
    // The oldest gives way: what its frame lacks has had eight frames to come.
    const g = this.#groups[this.#next++ & (GROUPS - 1)] as Group;
    if (g.rows === 0) this.#live++;
    g.flow = flow;
    g.base = h.base;
    g.span = h.span;
    g.low = h.low;
    g.high = h.high;
    g.timestamp = timestamp;
    g.symbolBytes = symbolBytes;
    g.rows = 0;
    return g;
  }

  #close(g: Group): void {
    if (g.rows > 0) this.#live--;
    g.rows = 0;
  }

  /** Hands on what is missing if there are rows enough. */
  #solve(g: Group, now: Millis): 'repair-bad' | undefined {
    const n = this.#misses(g.flow, g);
    if (n > g.rows) return undefined;
    const good = n === 0 || this.#sumUp(g, n);
    if (n > 0 && good) invert(g.row, this.#missing, n, this.#inverse);
    this.#close(g);
    if (!good) return 'repair-bad';
    let bad = false;
    for (let i = 0; i < n; i++) bad = !this.#recover(g, i, n, now) || bad;
    return bad ? 'repair-bad' : undefined;
  }

  /** Takes from the first n rows what the members that are here have added. */
  #sumUp(g: Group, n: number): boolean {
    const { symbolBytes } = g;
    if (this.#sums.length < n * symbolBytes) this.#sums = new Uint8Array(n * symbolBytes * 2);
    for (let j = 0; j < n; j++) {
      const at = this.#symbols.find(g.flow, g.seq[j] as number);
      if (at < 0) return false;
      this.#sums.set(this.#symbols.payload(at), j * symbolBytes);
      for (let i = 0; i < g.span; i++) if (isMember(g, i) && !this.#takeAway(g, i, j)) return false;
    }
    return true;
  }

  #takeAway(g: Group, offset: number, j: number): boolean {
    const history = this.#history;
    const at = history.find(g.flow, g.base + offset);
    if (at < 0) return true;
    if (history.length(at) + SYMBOL_HEADER_BYTES > g.symbolBytes) return false;
    const factor = coefficient(g.row[j] as number, offset);
    const to = j * g.symbolBytes;
    writeSymbolHeader(this.#symbolHeader, history, at);
    addProduct(this.#sums, to, this.#symbolHeader, 0, SYMBOL_HEADER_BYTES, factor);
    addProduct(
      this.#sums,
      to + SYMBOL_HEADER_BYTES,
      history.bytes,
      history.start(at),
      history.length(at),
      factor,
    );
    return true;
  }

  #recover(g: Group, i: number, n: number, now: Millis): boolean {
    const { symbolBytes } = g;
    const symbol = this.#symbol;
    symbol.fill(0, 0, symbolBytes);
    for (let j = 0; j < n; j++)
      addProduct(symbol, 0, this.#sums, j * symbolBytes, symbolBytes, this.#inverse[i * n + j] as number);
    const length = ((symbol[0] as number) << 8) | (symbol[1] as number);
    if (length + SYMBOL_HEADER_BYTES > symbolBytes) return false;
    const r = this.#recovered;
    r.flow = g.flow;
    r.seq = g.base + (this.#missing[i] as number);
    r.timestamp = g.timestamp;
    r.marks = symbolMarks(symbol, 0);
    r.marker = symbolMarker(symbol, 0);
    r.payload = symbol.subarray(SYMBOL_HEADER_BYTES, SYMBOL_HEADER_BYTES + length);
    this.#hand(r, now);
    return true;
  }
}
