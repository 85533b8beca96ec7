/**
 * RTCP extended reports (RFC 3611): which packets came, one bit each, and how long ago the newest came.
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |V=2|P|reserved |    PT = 207   |             length            |
 * |                         SSRC of sender                        |
 * Loss RLE, §4.1:  | BT = 1 | resvd. | T 4 |   block length       |
 *                  |            SSRC of source                    |
 *                  |    first sequence     |  last sequence + 1   |
 *                  | chunk, 16 bits × n, zeros to the word        |
 *    chunk: 0 r length 14  a run of r (1: came) │ 1 bits 15  one for each packet │ 0: no more
 * DLRR, §4.5:      | BT = 5 |  resvd.        |   block length × 3 |
 *                  | SSRC of source | its last time | delay since, 1/65536 s |  × n
 * ```
 */
export interface ExtendedReport {
  readonly type: 'xr';
  readonly ssrc: number;
  readonly losses: readonly LossRuns[];
  readonly delays: readonly DelaySince[];
}

export interface LossRuns {
  readonly source: number;
  /** 16-bit sequence number of `came[0]`. */
  readonly begin: number;
  /** One entry a packet: 1 it came, 0 it did not. */
  readonly came: Uint8Array;
}

export interface DelaySince {
  readonly source: number;
  /** 32 bits, 1/65536 s, on the clock of the source. */
  readonly lastTime: number;
  /** 1/65536 s. */
  readonly delay: number;
}

export const PT_XR = 207;
const LOSS_RLE = 1;
const DLRR = 5;
const BITS = 15;
const MOST_RUN = 0x3fff;

/**
 * Reads one report, header included. Phones send blocks of many kinds, some of them broken: what is not known here is
 * stepped over, and a block that runs beyond the packet ends the reading. Undefined when nothing is left.
 */
export function readXr(b: Buffer): ExtendedReport | string | undefined {
  if (b.length < 8) return 'xr-short';
  const losses: LossRuns[] = [];
  const delays: DelaySince[] = [];
  for (let at = 8; at + 4 <= b.length; ) {
    const end = at + 4 + b.readUInt16BE(at + 2) * 4;
    if (end > b.length) break;
    // §4.1: thinned to each 2^T-th packet it is no bitmap; nobody here asks for that.
    if (b[at] === LOSS_RLE && end - at >= 12 && ((b[at + 1] as number) & 15) === 0)
      losses.push(readRuns(b.subarray(at, end)));
    else if (b[at] === DLRR) readDelays(b.subarray(at, end), delays);
    at = end;
  }
  if (losses.length + delays.length === 0) return undefined;
  return { type: 'xr', ssrc: b.readUInt32BE(4), losses, delays };
}

/** A block, header included. What its chunks leave out counts as lost, as in a report that was cut. */
function readRuns(b: Buffer): LossRuns {
  const begin = b.readUInt16BE(8);
  const came = new Uint8Array((b.readUInt16BE(10) - begin) & 0xffff);
  let n = 0;
  for (let at = 12; at + 2 <= b.length && n < came.length; at += 2) {
    const chunk = b.readUInt16BE(at);
    if (chunk === 0) break;
    if (chunk & 0x8000) {
      for (let i = BITS - 1; i >= 0 && n < came.length; i--) came[n++] = (chunk >> i) & 1;
      continue;
    }
    const end = Math.min(came.length, n + (chunk & MOST_RUN));
    if (chunk & 0x4000) came.fill(1, n, end);
    n = end;
  }
  return { source: b.readUInt32BE(4), begin, came };
}

function readDelays(b: Buffer, delays: DelaySince[]): void {
  for (let i = 4; i + 12 <= b.length; i += 12)
    delays.push({
      source: b.readUInt32BE(i),
      lastTime: b.readUInt32BE(i + 4),
      delay: b.readUInt32BE(i + 8),
    });
}

/** What follows the SSRC of the sender; whole words. */
export function writeXr(x: ExtendedReport): Buffer {
  return Buffer.concat([...x.losses.map(writeRuns), ...(x.delays.length > 0 ? [writeDelays(x.delays)] : [])]);
}

function writeRuns({ source, begin, came }: LossRuns): Buffer {
  const chunks = chunksOf(came);
  const b = Buffer.alloc(12 + ((chunks.length + 1) >> 1) * 4);
  b[0] = LOSS_RLE;
  b.writeUInt16BE(b.length / 4 - 1, 2);
  b.writeUInt32BE(source, 4);
  b.writeUInt16BE(begin & 0xffff, 8);
  b.writeUInt16BE((begin + came.length) & 0xffff, 10);
  let at = 12;
  for (const chunk of chunks) at = b.writeUInt16BE(chunk, at);
  return b;
}

/** A run where it tells more than the 15 packets of a bit vector. */
function chunksOf(came: Uint8Array): number[] {
  const chunks: number[] = [];
  for (let at = 0; at < came.length; ) {
    const first = came[at] as number;
    let run = 1;
    while (run < MOST_RUN && came[at + run] === first) run++;
    if (run > BITS || at + run === came.length) {
      chunks.push((first << 14) | run);
      at += run;
      continue;
    }
    let chunk = 0x8000;
    for (let i = 0; i < BITS; i++) chunk |= (came[at + i] ?? 0) << (BITS - 1 - i);
    chunks.push(chunk);
    at += BITS;
  }
  return chunks;
}

function writeDelays(delays: readonly DelaySince[]): Buffer {
  const b = Buffer.alloc(4 + delays.length * 12);
  b[0] = DLRR;
  b.writeUInt16BE(delays.length * 3, 2);
  delays.forEach((d, i) => {
    b.writeUInt32BE(d.source, 4 + i * 12);
    b.writeUInt32BE(d.lastTime >>> 0, 8 + i * 12);
    b.writeUInt32BE(d.delay >>> 0, 12 + i * 12);
  });
  return b;
}
