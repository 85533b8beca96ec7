/**
 * RTCP feedback: RFC 4585 (NACK, PLI), RFC 5104 (FIR, TMMBR), REMB and transport-wide congestion control (IETF drafts
 * that every browser speaks).
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |V=2|P|   FMT   |  PT 205/206   |             length            |
 * |                  SSRC of packet sender                        |
 * |                  SSRC of media source                         |
 * NACK  |            PID                |             BLP         |  × n   PT 205 FMT 1
 * TMMBR |            SSRC               |exp 6| mantissa 17|overh. 9|  × n   PT 205 FMT 3; TMMBN: FMT 4
 * TWCC  |   base sequence   | status count | reference time | fb# |        PT 205 FMT 15
 *       |  status chunk × n (16 bits each)  |  delta × n (8 or 16) |
 * FIR   |            SSRC               | seq nr |   reserved     |  × n   PT 206 FMT 4
 * REMB  |   'R' 'E' 'M' 'B'   | n SSRC | exp 6 | mantissa 18 | SSRCs |    PT 206 FMT 15
 * ```
 */
export type RtcpFeedback =
  /** `lost`: 16-bit sequence numbers, in the order sent. */
  | {
      readonly type: 'nack';
      readonly sender: number;
      readonly media: number;
      readonly lost: readonly number[];
    }
  | { readonly type: 'pli'; readonly sender: number; readonly media: number }
  | {
      readonly type: 'fir';
      readonly sender: number;
      readonly entries: readonly { readonly ssrc: number; readonly seq: number }[];
    }
  /** The most a sender shall send, and what the one who asks for it was told of all such limits. */
  | {
      readonly type: 'tmmbr' | 'tmmbn';
      readonly sender: number;
      readonly entries: readonly RateEntry[];
    }
  | {
      readonly type: 'remb';
      readonly sender: number;
      readonly bps: number;
      readonly ssrcs: readonly number[];
    }
  | TransportFeedback;

/** `ssrc`: TMMBR: whose stream is meant; TMMBN: who set the limit. */
export interface RateEntry {
  readonly ssrc: number;
  /** All of IP, UDP and RTP counted. */
  readonly bps: number;
  /** Bytes a packet of what is counted beside the payload. */
  readonly overhead: number;
}

export interface TransportFeedback {
  readonly type: 'twcc';
  readonly sender: number;
  readonly media: number;
  /** Transport-wide sequence number (16 bits) of `arrivals[0]`. */
  readonly base: number;
  /** Signed, units of 64 ms: the time the first delta counts from. */
  readonly reference: number;
  /** Feedback packet count, 8 bits. */
  readonly count: number;
  /** One entry per packet from `base`: undefined when lost, else the delta to the previous arrival in 250 µs. */
  readonly arrivals: readonly (number | undefined)[];
}

export const PT_RTPFB = 205;
export const PT_PSFB = 206;
const REMB = 0x52454d42;
/** A feedback every 100 ms covers some hundred packets; runs of "lost" could claim 65535 in two bytes. */
const MAX_ARRIVALS = 4096;

/** Reads one feedback packet (header included, padding removed). A string says why it is junk; undefined: not known here. */
export function readFeedback(
  b: Buffer,
  packetType: number,
  format: number,
): RtcpFeedback | string | undefined {
  if (b.length < 12) return 'feedback-short';
  const sender = b.readUInt32BE(4);
  const media = b.readUInt32BE(8);
  if (packetType === PT_RTPFB && format === 1) return { type: 'nack', sender, media, lost: readNack(b) };
  if (packetType === PT_RTPFB && (format === 3 || format === 4))
    return { type: format === 3 ? 'tmmbr' : 'tmmbn', sender, entries: readRates(b) };
  if (packetType === PT_RTPFB && format === 15) return readTwcc(b, sender, media);
  if (packetType === PT_PSFB && format === 1) return { type: 'pli', sender, media };
  if (packetType === PT_PSFB && format === 4) return { type: 'fir', sender, entries: readFir(b) };
  if (packetType === PT_PSFB && format === 15 && b.length >= 20 && b.readUInt32BE(12) === REMB)
    return readRemb(b, sender);
  return undefined;
}

/** RFC 4585 §6.2.1: PID is lost, and PID+i+1 for every bit i of BLP. */
function readNack(b: Buffer): number[] {
  const lost: number[] = [];
  for (let at = 12; at + 4 <= b.length; at += 4) {
    const pid = b.readUInt16BE(at);
    const mask = b.readUInt16BE(at + 2);
    lost.push(pid);
    for (let i = 0; i < 16; i++) if (mask & (1 << i)) lost.push((pid + i + 1) & 0xffff);
  }
  return lost;
}

function readFir(b: Buffer): { ssrc: number; seq: number }[] {
  const entries: { ssrc: number; seq: number }[] = [];
  for (let at = 12; at + 8 <= b.length; at += 8)
    entries.push({ ssrc: b.readUInt32BE(at), seq: b[at + 4] as number });
  return entries;
}

/** RFC 5104 §4.2.1.1. */
function readRates(b: Buffer): RateEntry[] {
  const entries: RateEntry[] = [];
  for (let at = 12; at + 8 <= b.length; at += 8) {
    const word = b.readUInt32BE(at + 4);
    const bps = ((word >>> 9) & 0x1ffff) * 2 ** (word >>> 26);
    entries.push({ ssrc: b.readUInt32BE(at), bps, overhead: word & 511 });
  }
  return entries;
}

function readRemb(b: Buffer, sender: number): RtcpFeedback | string {
  const n = b[16] as number;
  if (20 + n * 4 > b.length) return 'remb-short';
  const exponent = (b[17] as number) >> 2;
  const mantissa = (((b[17] as number) & 3) << 16) | b.readUInt16BE(18);
  const ssrcs = Array.from({ length: n }, (_, i) => b.readUInt32BE(20 + i * 4));
  return { type: 'remb', sender, bps: mantissa * 2 ** exponent, ssrcs };
}

/** Symbols of status chunks: 0 lost, 1 small delta (8 bits), 2 large delta (16 bits, signed), 3 without delta. */
function readTwcc(b: Buffer, sender: number, media: number): TransportFeedback | string {
  if (b.length < 20) return 'twcc-short';
  const total = b.readUInt16BE(14);
  if (total > MAX_ARRIVALS) return 'twcc-too-many';
  const symbols: number[] = [];
  let at = 20;
  while (symbols.length < total) {
    if (at + 2 > b.length) return 'twcc-short';
    const chunk = b.readUInt16BE(at);
    at += 2;
    if (!(chunk & 0x8000)) {
      const run = Math.min(chunk & 0x1fff, total - symbols.length);
      if (run === 0) return 'twcc-empty-run';
      for (let i = 0; i < run; i++) symbols.push((chunk >> 13) & 3);
    } else if (chunk & 0x4000) for (let i = 12; i >= 0; i -= 2) symbols.push((chunk >> i) & 3);
    else for (let i = 13; i >= 0; i--) symbols.push((chunk >> i) & 1);
  }
  symbols.length = total;
  const arrivals: (number | undefined)[] = [];
  for (const symbol of symbols) {
    const bytes = symbol === 3 ? 0 : symbol;
    if (at + bytes > b.length) return 'twcc-short';
    arrivals.push(symbol === 1 ? b.readUInt8(at) : symbol === 2 ? b.readInt16BE(at) : undefined);
    at += bytes;
  }
  return {
    type: 'twcc',
    sender,
    media,
    base: b.readUInt16BE(12),
    reference: b.readIntBE(16, 3),
    count: b[19] as number,
    arrivals,
  };
}

/** Packet type, format and body (after the SSRC of the sender) of a feedback packet; whole words, not yet padded. */
export function writeFeedback(f: RtcpFeedback): { packetType: number; format: number; body: Buffer } {
  switch (f.type) {
    case 'nack':
      return { packetType: PT_RTPFB, format: 1, body: Buffer.concat([u32(f.media), writeNack(f.lost)]) };
    case 'pli':
      return { packetType: PT_PSFB, format: 1, body: u32(f.media) };
    case 'fir': {
      const body = Buffer.alloc(4 + f.entries.length * 8); // RFC 5104 §4.3.1.2: media SSRC is 0
      f.entries.forEach((e, i) => {
        body.writeUInt32BE(e.ssrc, 4 + i * 8);
        body[8 + i * 8] = e.seq;
      });
      return { packetType: PT_PSFB, format: 4, body };
    }
    case 'tmmbr':
    case 'tmmbn':
      return { packetType: PT_RTPFB, format: f.type === 'tmmbr' ? 3 : 4, body: writeRates(f.entries) };
    case 'remb':
      return { packetType: PT_PSFB, format: 15, body: writeRemb(f.bps, f.ssrcs) };
    case 'twcc':
      return { packetType: PT_RTPFB, format: 15, body: writeTwcc(f) };
  }
}

const u32 = (value: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(value);
  return b;
};

/** Media SSRC is 0 (§4.2.1.2); the mantissa is rounded down, so that no limit grows on its way. */
function writeRates(entries: readonly RateEntry[]): Buffer {
  const body = Buffer.alloc(4 + entries.length * 8);
  entries.forEach(({ ssrc, bps, overhead }, i) => {
    let exponent = 0;
    while (bps / 2 ** exponent > 0x1ffff && exponent < 63) exponent++;
    const mantissa = Math.min(0x1ffff, Math.floor(bps / 2 ** exponent));
    body.writeUInt32BE(ssrc, 4 + i * 8);
    body.writeUInt32BE(((exponent << 26) | (mantissa << 9) | Math.min(511, overhead)) >>> 0, 8 + i * 8);
  });
  return body;
}

function writeNack(lost: readonly number[]): Buffer {
  const words: [pid: number, mask: number][] = [];
  for (const seq of lost) {
    const last = words.at(-1);
    const ahead = last ? (seq - last[0]) & 0xffff : 0;
    if (last && ahead >= 1 && ahead <= 16) last[1] |= 1 << (ahead - 1);
    else if (!last || ahead !== 0) words.push([seq & 0xffff, 0]);
  }
  const b = Buffer.alloc(words.length * 4);
  words.forEach(([pid, mask], i) => {
    b.writeUInt16BE(pid, i * 4);
    b.writeUInt16BE(mask, i * 4 + 2);
  });
  return b;
}

function writeRemb(bps: number, ssrcs: readonly number[]): Buffer {
  const b = Buffer.alloc(12 + ssrcs.length * 4);
  let exponent = 0;
  let mantissa = Math.floor(bps);
  for (; mantissa > 0x3ffff; exponent++) mantissa = Math.floor(mantissa / 2);
  b.writeUInt32BE(REMB, 4);
  b[8] = ssrcs.length;
  b[9] = (exponent << 2) | (mantissa >> 16);
  b.writeUInt16BE(mantissa & 0xffff, 10);
  ssrcs.forEach((s, i) => {
    b.writeUInt32BE(s, 12 + i * 4);
  });
  return b;
}

function writeTwcc(f: TransportFeedback): Buffer {
  const symbols = f.arrivals.map(d => (d === undefined ? 0 : d >= 0 && d <= 255 ? 1 : 2));
  const chunks: number[] = [];
  for (let at = 0; at < symbols.length; ) {
    let run = 1;
    while (run < 0x1fff && symbols[at + run] === symbols[at]) run++;
    if (run >= 7 || at + run === symbols.length) {
      chunks.push(((symbols[at] as number) << 13) | run);
      at += run;
      continue;
    }
    let chunk = 0xc000; // two-bit vector of seven
    for (let i = 0; i < 7; i++) chunk |= (symbols[at + i] ?? 0) << (12 - 2 * i);
    chunks.push(chunk);
    at += 7;
  }
  const deltas = f.arrivals.reduce<number>((n, _, i) => n + (symbols[i] as number), 0);
  const b = Buffer.alloc(12 + chunks.length * 2 + deltas);
  b.writeUInt32BE(f.media);
  b.writeUInt16BE(f.base & 0xffff, 4);
  b.writeUInt16BE(f.arrivals.length, 6);
  b.writeIntBE(f.reference, 8, 3);
  b[11] = f.count;
  let at = 12;
  for (const c of chunks) at = b.writeUInt16BE(c, at);
  for (const d of f.arrivals) {
    if (d === undefined) continue;
    // A gap that fits no delta cannot be told; the sender should have begun a new feedback packet.
    at = d >= 0 && d <= 255 ? b.writeUInt8(d, at) : b.writeInt16BE(Math.max(-32768, Math.min(32767, d)), at);
  }
  return b;
}
