/**
 * RTCP packets: RFC 3550 §6, feedback in rtcp-feedback.ts, extended reports in rtcp-xr.ts; reduced-size packets
 * (RFC 5506) are accepted.
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |V=2|P| RC/SC   |  PT 200–207   |       length in words − 1     |
 * |                         SSRC of sender                        |
 * SR only:  NTP seconds | NTP fraction | RTP time | packets | octets
 * report:   SSRC | fraction lost 8, cumulative lost 24 signed |
 *           extended highest sequence | jitter | last SR | delay since last SR     × RC
 * SDES:     ( SSRC | type 8, length 8, text … | 0, to the next word ) × SC
 * BYE:      SSRC × SC | length 8, reason …
 * APP:      name (4 ASCII) | data …
 * ```
 * The length counts words, so a compound is walked by lengths alone and unknown packet types are stepped over.
 */
import { PT_PSFB, PT_RTPFB, type RtcpFeedback, readFeedback, writeFeedback } from './rtcp-feedback.ts';
import { type ExtendedReport, PT_XR, readXr, writeXr } from './rtcp-xr.ts';

export interface ReportBlock {
  readonly ssrc: number;
  /** Share lost since the previous report, in 1/256. */
  readonly fractionLost: number;
  /** Signed 24 bits: duplicates make it negative. */
  readonly lost: number;
  /** Extended highest sequence number received, 32 bits. */
  readonly highestSeq: number;
  /** Interarrival jitter, timestamp units. */
  readonly jitter: number;
  /** Middle 32 bits of the NTP time of the last SR; 0: none yet. */
  readonly lastSr: number;
  /** Delay since that SR, 1/65536 s. */
  readonly delaySinceLastSr: number;
}

export type Rtcp =
  | {
      readonly type: 'sr';
      readonly ssrc: number;
      /** 64 bits: seconds since 1900 in the upper half, fraction in the lower. */
      readonly ntp: bigint;
      readonly rtpTime: number;
      readonly packets: number;
      readonly octets: number;
      readonly reports: readonly ReportBlock[];
    }
  | { readonly type: 'rr'; readonly ssrc: number; readonly reports: readonly ReportBlock[] }
  /** Only CNAME is kept: '' when a chunk has none. */
  | { readonly type: 'sdes'; readonly chunks: readonly { readonly ssrc: number; readonly cname: string }[] }
  | { readonly type: 'bye'; readonly ssrcs: readonly number[]; readonly reason?: string }
  | {
      readonly type: 'app';
      readonly ssrc: number;
      readonly subtype: number;
      /** Four ASCII characters. */
      readonly name: string;
      readonly data: Uint8Array;
    }
  | ExtendedReport
  | RtcpFeedback;

/** Larger than any RTCP datagram that fits a network; bounds what one datagram can make us do. */
const MAX_BYTES = 2048;
const MAX_PACKETS = 32;
const OLD_FIR = 192;
const SR = 200;
const RR = 201;
const SDES = 202;
const BYE = 203;
const APP = 204;
const REPORT_BYTES = 24;

/** Reads a compound or reduced-size datagram; a string is the reason why all of it is junk. Never throws. */
export function readRtcp(bytes: Uint8Array): Rtcp[] | string {
  if (bytes.length > MAX_BYTES) return 'long';
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const packets: Rtcp[] = [];
  let count = 0;
  let at = 0;
  while (at < b.length) {
    if (at + 4 > b.length) return 'short';
    const head = b[at] as number;
    if (head >> 6 !== 2) return 'version';
    const end = at + 4 + b.readUInt16BE(at + 2) * 4;
    if (end > b.length) return 'length';
    if (++count > MAX_PACKETS) return 'many';
    let dataEnd = end;
    if (head & 0x20) {
      const padding = b[end - 1] as number;
      if (padding === 0 || end - padding < at + 4) return 'padding';
      dataEnd -= padding;
    }
    const packet = readOne(b.subarray(at, dataEnd), b[at + 1] as number, head & 31);
    if (typeof packet === 'string') return packet;
    if (packet) packets.push(packet);
    at = end;
  }
  return count === 0 ? 'short' : packets;
}

/** One packet with its header; undefined for types not known here. */
function readOne(b: Buffer, packetType: number, count: number): Rtcp | string | undefined {
  switch (packetType) {
    case SR:
      return readSr(b, count);
    case RR: {
      if (b.length < 8) return 'rr-short';
      const reports = readReports(b, 8, count);
      return reports ? { type: 'rr', ssrc: b.readUInt32BE(4), reports } : 'rr-short';
    }
    case SDES:
      return readSdes(b, count);
    case BYE:
      return readBye(b, count);
    case APP:
      if (b.length < 12) return 'app-short';
      return {
        type: 'app',
        ssrc: b.readUInt32BE(4),
        subtype: count,
        name: b.toString('latin1', 8, 12),
        data: new Uint8Array(b.subarray(12)),
      };
    case OLD_FIR: // RFC 2032 §5.2.1, made for H.261 and still sent by softphones: a PLI without a media SSRC
      return b.length < 8 ? 'fir-short' : { type: 'pli', sender: b.readUInt32BE(4), media: 0 };
    case PT_RTPFB:
    case PT_PSFB:
      return readFeedback(b, packetType, count);
    case PT_XR:
      return readXr(b);
    default:
      return undefined;
  }
}

function readSr(b: Buffer, count: number): Rtcp | string {
  if (b.length < 28) return 'sr-short';
  const reports = readReports(b, 28, count);
  if (!reports) return 'sr-short';
  return {
    type: 'sr',
    ssrc: b.readUInt32BE(4),
    ntp: b.readBigUInt64BE(8),
    rtpTime: b.readUInt32BE(16),
    packets: b.readUInt32BE(20),
    octets: b.readUInt32BE(24),
    reports,
  };
}

function readReports(b: Buffer, from: number, count: number): ReportBlock[] | undefined {
  if (from + count * REPORT_BYTES > b.length) return undefined;
  const reports: ReportBlock[] = [];
  for (let i = 0, at = from; i < count; i++, at += REPORT_BYTES)
    reports.push({
      ssrc: b.readUInt32BE(at),
      fractionLost: b[at + 4] as number,
      lost: b.readIntBE(at + 5, 3),
      highestSeq: b.readUInt32BE(at + 8),
      jitter: b.readUInt32BE(at + 12),
      lastSr: b.readUInt32BE(at + 16),
      delaySinceLastSr: b.readUInt32BE(at + 20),
    });
  return reports;
}

/** RFC 3550 §6.5: items until a zero byte, then zeros to the word; each chunk begins on a word. */
function readSdes(b: Buffer, count: number): Rtcp | string {
  const chunks: { ssrc: number; cname: string }[] = [];
  let at = 4;
  for (let i = 0; i < count; i++) {
    if (at + 4 > b.length) return 'sdes-short';
    const ssrc = b.readUInt32BE(at);
    let cname = '';
    at += 4;
    while (at < b.length && b[at] !== 0) {
      const end = at + 2 + (b[at + 1] ?? 255);
      if (end > b.length) return 'sdes-short';
      if (b[at] === 1) cname = b.toString('utf8', at + 2, end);
      at = end;
    }
    chunks.push({ ssrc, cname });
    at = (at + 4) & ~3; // at least one zero ends the items
  }
  return { type: 'sdes', chunks };
}

function readBye(b: Buffer, count: number): Rtcp | string {
  const end = 4 + count * 4;
  if (end > b.length) return 'bye-short';
  const ssrcs = Array.from({ length: count }, (_, i) => b.readUInt32BE(4 + i * 4));
  if (end === b.length) return { type: 'bye', ssrcs };
  const reasonEnd = end + 1 + (b[end] as number);
  if (reasonEnd > b.length) return 'bye-short';
  return { type: 'bye', ssrcs, reason: b.toString('utf8', end + 1, reasonEnd) };
}

/** One datagram of all `packets`, in their order. At most 31 reports or chunks a packet (a bug of the caller otherwise). */
export function writeRtcp(packets: readonly Rtcp[]): Buffer {
  return Buffer.concat(packets.map(writeOne));
}

function writeOne(p: Rtcp): Buffer {
  switch (p.type) {
    case 'sr': {
      const info = Buffer.alloc(20);
      info.writeBigUInt64BE(p.ntp);
      info.writeUInt32BE(p.rtpTime, 8);
      info.writeUInt32BE(p.packets % 2 ** 32, 12);
      info.writeUInt32BE(p.octets % 2 ** 32, 16);
      return packet(SR, p.reports.length, [word(p.ssrc), info, ...p.reports.map(writeReport)]);
    }
    case 'rr':
      return packet(RR, p.reports.length, [word(p.ssrc), ...p.reports.map(writeReport)]);
    case 'sdes':
      return packet(SDES, p.chunks.length, p.chunks.map(writeChunk));
    case 'bye': {
      const reason = p.reason === undefined ? [] : [counted(p.reason)];
      return packet(BYE, p.ssrcs.length, [...p.ssrcs.map(word), ...reason]);
    }
    case 'app':
      return packet(APP, p.subtype, [
        word(p.ssrc),
        Buffer.from(p.name.padEnd(4).slice(0, 4), 'latin1'),
        p.data,
      ]);
    case 'xr':
      return packet(PT_XR, 0, [word(p.ssrc), writeXr(p)]);
    default: {
      const { packetType, format, body } = writeFeedback(p);
      return packet(packetType, format, [word(p.sender), body]);
    }
  }
}

/** Header and parts, filled up with zeros to a word (every type that needs it allows zeros there). */
function packet(packetType: number, count: number, parts: readonly Uint8Array[]): Buffer {
  if (count > 31) throw new RangeError(`RTCP packet type ${packetType} holds at most 31 items, not ${count}`);
  const bytes = 4 + parts.reduce((n, p) => n + p.length, 0);
  const out = Buffer.alloc((bytes + 3) & ~3);
  out[0] = 0x80 | count;
  out[1] = packetType;
  out.writeUInt16BE(out.length / 4 - 1, 2);
  let at = 4;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const word = (value: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(value);
  return b;
};

/** Length byte and at most 255 bytes of text. */
const counted = (text: string): Buffer => {
  const bytes = Buffer.from(text).subarray(0, 255);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
};

const writeChunk = (c: { ssrc: number; cname: string }): Buffer => {
  const items = Buffer.concat([word(c.ssrc), Buffer.of(1), counted(c.cname)]);
  return Buffer.concat([items, Buffer.alloc(4 - (items.length & 3))]);
};

function writeReport(r: ReportBlock): Buffer {
  const b = Buffer.alloc(REPORT_BYTES);
  b.writeUInt32BE(r.ssrc);
  b[4] = r.fractionLost;
  b.writeIntBE(Math.max(-0x800000, Math.min(0x7fffff, r.lost)), 5, 3);
  b.writeUInt32BE(r.highestSeq % 2 ** 32, 8);
  b.writeUInt32BE(r.jitter % 2 ** 32, 12);
  b.writeUInt32BE(r.lastSr, 16);
  b.writeUInt32BE(r.delaySinceLastSr % 2 ** 32, 20);
  return b;
}

/** Middle 32 bits of an NTP time: what reports call "last SR". */
export const middleNtp = (ntp: bigint): number => Number((ntp >> 16n) & 0xffffffffn);

const UNIX_IN_NTP_S = 2_208_988_800;

/** Unix time, ms, of an NTP time. */
export const unixOf = (ntp: bigint): number =>
  (Number(ntp >> 32n) - UNIX_IN_NTP_S) * 1000 + (Number(ntp & 0xffffffffn) * 1000) / 2 ** 32;

/** NTP time of a Unix time in ms (seconds since 1900). */
export const ntpOf = (unixMs: number): bigint => {
  const seconds = Math.floor(unixMs / 1000);
  const fraction = Math.floor(((unixMs - seconds * 1000) / 1000) * 2 ** 32);
  return (BigInt(seconds + UNIX_IN_NTP_S) << 32n) | BigInt(fraction);
};
