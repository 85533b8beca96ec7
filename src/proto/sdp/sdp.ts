/**
 * Session descriptions (RFC 8866) as typed values over `sdp-transform`: parsed once at the rim, with limits.
 * ```
 * v=0
 * o=- SESSION-ID VERSION IN IP4 ADDRESS
 * s=-
 * c=IN IP4 ADDRESS            here or in each section
 * b=AS:64
 * t=0 0
 * m=audio PORT RTP/AVP 111 0 101       one section each
 * a=rtpmap:111 opus/48000/2
 * a=fmtp:111 useinbandfec=1
 * a=ptime:20
 * a=sendrecv                  here or before the first section
 * ```
 */
import { parse, type SessionDescription, write } from 'sdp-transform';
import { isSecurityLine, rawSecurity, readSecurity, type SectionSecurity } from './security-lines.ts';

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** A `b=` line: AS and CT in kbit/s, TIAS, RR and RS in bit/s. */
export interface Bandwidth {
  readonly type: 'AS' | 'CT' | 'TIAS' | 'RR' | 'RS';
  readonly value: number;
}

/** One payload type of a section. */
export interface SdpCodec {
  readonly payloadType: number;
  /** As written; compare without case. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
  /** Keys in lower case; a part without `=` is a key with the value ''. */
  readonly fmtp: Readonly<Record<string, string>>;
}

/** An `m=` section. */
export interface Section extends SectionSecurity {
  /** `audio`, `video`, `image`, `application` … */
  readonly kind: string;
  /** 0: disabled or rejected. */
  readonly port: number;
  readonly protocol: string;
  /** The rest of the `m=` line: payload types, or names such as `t38`. */
  readonly formats: readonly string[];
  /** In the order of `formats`; static types (RFC 3551) need no rtpmap. */
  readonly codecs: readonly SdpCodec[];
  /** The section's own, else the session's, else `sendrecv`. */
  readonly direction: Direction;
  /** As in `c=`, the section's own or the session's; `0.0.0.0` is the old style of hold. */
  readonly address?: string;
  readonly rtcp?: { readonly port: number; readonly address?: string };
  readonly rtcpMux?: boolean;
  readonly ptimeMs?: number;
  readonly maxptimeMs?: number;
  readonly bandwidth?: readonly Bandwidth[];
  /** `a=rtcp-fb`: e.g. `nack pli` for a payload type or `*`. */
  readonly feedback?: readonly { readonly payloadType: number | '*'; readonly type: string }[];
  readonly mid?: string;
  readonly label?: string;
  readonly content?: string;
}

export interface Sdp {
  readonly sessionId: string;
  readonly version: number;
  /** Of the `o=` line. */
  readonly address: string;
  readonly bandwidth?: readonly Bandwidth[];
  readonly sections: readonly Section[];
}

const MAX_CHARS = 32 * 1024;
const MAX_LINES = 600;
const MAX_LINE_CHARS = 2000;
const MAX_SECTIONS = 32;
const MAX_FORMATS = 64;

/** RFC 3551 §6, audio, and the video types still seen. G722 counts 8000 although it samples at 16000. */
const STATIC: Readonly<Record<number, readonly [name: string, clockRate: number, channels: number]>> = {
  0: ['PCMU', 8000, 1],
  3: ['GSM', 8000, 1],
  4: ['G723', 8000, 1],
  8: ['PCMA', 8000, 1],
  9: ['G722', 8000, 1],
  10: ['L16', 44100, 2],
  11: ['L16', 44100, 1],
  13: ['CN', 8000, 1],
  15: ['G728', 8000, 1],
  18: ['G729', 8000, 1],
  26: ['JPEG', 90000, 1],
  31: ['H261', 90000, 1],
  34: ['H263', 90000, 1],
};

/** Reads a description; a string says in words what is wrong with it. Never throws. */
export function parseSdp(text: string): Sdp | string {
  if (text.length > MAX_CHARS) return `the description is longer than ${MAX_CHARS} characters`;
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.length > MAX_LINES) return `the description has more than ${MAX_LINES} lines`;
  if (!/^v=0\s*$/.test(lines[0] as string)) return 'the description does not begin with v=0';
  const heads: Head[] = [];
  const security: string[][] = [[]];
  for (const [i, line] of lines.entries()) {
    if (line.length > MAX_LINE_CHARS) return `line ${i + 1} is longer than ${MAX_LINE_CHARS} characters`;
    if (isSecurityLine(line)) security[heads.length]!.push(line.trimEnd());
    if (!line.startsWith('m=')) continue;
    security.push([]);
    const head = readHead(line);
    if (head === undefined) return `line ${i + 1} is not a valid m= line`;
    if (heads.push(head) > MAX_SECTIONS) return `the description has more than ${MAX_SECTIONS} m= lines`;
  }
  const raw = parse(text);
  if (raw.origin === undefined) return 'the description has no valid o= line';
  return {
    sessionId: String(raw.origin.sessionId),
    version: Number(raw.origin.sessionVersion),
    address: String(raw.origin.address),
    ...bandwidthOf(raw.bandwidth),
    sections: heads.map((head, i) => ({
      ...readSection(head, raw.media[i] as RawSection, raw),
      ...readSecurity(security[i + 1] as string[], security[0] as string[]),
    })),
  };
}

type RawSection = SessionDescription['media'][number] & { content?: string };
type Head = Pick<Section, 'kind' | 'port' | 'protocol' | 'formats'>;

/** `m=<kind> <port>[/<count>] <protocol> <format> …`; a count of ports is of no use in a call and dropped. */
function readHead(line: string): Head | undefined {
  const m = /^m=(\S+) (\d{1,5})(?:\/\d+)? (\S+)(.*)$/.exec(line.trimEnd());
  if (m === null || Number(m[2]) > 65535) return undefined;
  const formats = (m[4] as string).split(' ').filter(f => f !== '');
  if (formats.length > MAX_FORMATS) return undefined;
  return { kind: m[1] as string, port: Number(m[2]), protocol: m[3] as string, formats };
}

function readSection(head: Head, raw: RawSection, session: SessionDescription): Section {
  const address = (raw.connection ?? session.connection)?.ip;
  return {
    ...head,
    codecs: /^(UDP\/TLS\/)?RTP\//.test(head.protocol) ? readCodecs(head.formats, raw) : [],
    direction: directionIn(raw) ?? directionIn(session) ?? 'sendrecv',
    ...(address !== undefined && { address: String(address).replace(/\/.*/, '') }), // a TTL is for multicast
    ...(raw.rtcp && {
      rtcp: { port: Number(raw.rtcp.port), ...(raw.rtcp.address && { address: String(raw.rtcp.address) }) },
    }),
    ...(raw.rtcpMux && { rtcpMux: true }),
    ...milliseconds('ptimeMs', raw.ptime),
    ...milliseconds('maxptimeMs', raw.maxptime),
    ...bandwidthOf(raw.bandwidth),
    ...(raw.rtcpFb && {
      feedback: raw.rtcpFb.map(f => ({
        payloadType: f.payload === '*' ? ('*' as const) : Number(f.payload),
        type: f.subtype === undefined ? String(f.type) : `${f.type} ${f.subtype}`,
      })),
    }),
    ...(raw.mid !== undefined && { mid: String(raw.mid) }),
    ...(raw.label !== undefined && { label: String(raw.label) }),
    ...(raw.content !== undefined && { content: String(raw.content) }),
  };
}

function readCodecs(formats: readonly string[], raw: RawSection): SdpCodec[] {
  const codecs = new Map<number, SdpCodec>();
  for (const format of formats) {
    const payloadType = /^\d{1,3}$/.test(format) ? Number(format) : 128;
    if (payloadType > 127 || codecs.has(payloadType)) continue;
    const map = raw.rtp.find(r => Number(r.payload) === payloadType);
    const known = STATIC[payloadType];
    const name = map === undefined ? known?.[0] : String(map.codec);
    if (!name) continue;
    const clockRate = Number(map?.rate ?? known?.[1] ?? 8000);
    codecs.set(payloadType, {
      payloadType,
      name,
      // RFC 3551 §4.5.2: G722 is 8000 by a mistake everybody keeps; some write what it samples at.
      clockRate: name.toUpperCase() === 'G722' ? 8000 : clockRate,
      channels: Number(map?.encoding ?? (map === undefined ? known?.[2] : 1)) || 1,
      fmtp: parseFmtp(raw.fmtp.find(f => Number(f.payload) === payloadType)?.config ?? ''),
    });
  }
  return [...codecs.values()];
}

/** `a=1; B=2;0-15` → `{ a: '1', b: '2', '0-15': '' }`. */
export function parseFmtp(config: string): Record<string, string> {
  const parts = String(config)
    .split(';')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const at = part.indexOf('=');
      return at < 0 ? [part, ''] : [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()];
    });
  return Object.fromEntries(parts);
}

const writeFmtp = (fmtp: Readonly<Record<string, string>>): string =>
  Object.entries(fmtp)
    .map(([key, value]) => (value === '' ? key : `${key}=${value}`))
    .join(';');

const directionIn = (raw: { direction?: string | undefined }): Direction | undefined =>
  /^(sendrecv|sendonly|recvonly|inactive)$/.test(raw.direction ?? '')
    ? (raw.direction as Direction)
    : undefined;

const milliseconds = <K extends string>(key: K, value: unknown): { [key in K]?: number } => {
  const ms = Number(value);
  return value !== undefined && ms > 0 && ms <= 1000 ? ({ [key]: ms } as { [key in K]: number }) : {};
};

const bandwidthOf = (
  raw: { type: Bandwidth['type']; limit: number | string }[] | undefined,
): Pick<Sdp, 'bandwidth'> =>
  raw === undefined
    ? {}
    : { bandwidth: raw.filter(b => b.limit !== '').map(b => ({ type: b.type, value: Number(b.limit) })) };

/** The text of a description of ours. The session's `c=` is its origin's address. */
export function writeSdp(s: Sdp): string {
  return write({
    version: 0,
    origin: {
      username: '-',
      sessionId: s.sessionId,
      sessionVersion: s.version,
      netType: 'IN',
      ipVer: ipVersion(s.address),
      address: s.address,
    },
    name: '-',
    connection: { version: ipVersion(s.address), ip: s.address },
    ...(s.bandwidth && { bandwidth: s.bandwidth.map(b => ({ type: b.type, limit: b.value })) }),
    timing: { start: 0, stop: 0 },
    media: s.sections.map(m => rawSection(m, s.address)),
  });
}

function rawSection(m: Section, sessionAddress: string): RawSection {
  const head = { type: m.kind, port: m.port, protocol: m.protocol, payloads: m.formats.join(' ') };
  if (m.port === 0) return { ...head, rtp: [], fmtp: [] };
  return {
    ...head,
    ...(m.address !== undefined &&
      m.address !== sessionAddress && { connection: { version: ipVersion(m.address), ip: m.address } }),
    ...(m.bandwidth && { bandwidth: m.bandwidth.map(b => ({ type: b.type, limit: b.value })) }),
    rtp: m.codecs.map(c => ({
      payload: c.payloadType,
      codec: c.name,
      rate: c.clockRate,
      ...(c.channels > 1 && { encoding: c.channels }),
    })),
    fmtp: m.codecs
      .filter(c => Object.keys(c.fmtp).length > 0)
      .map(c => ({ payload: c.payloadType, config: writeFmtp(c.fmtp) })),
    ...(m.rtcp && {
      rtcp: {
        port: m.rtcp.port,
        ...(m.rtcp.address && { netType: 'IN', ipVer: ipVersion(m.rtcp.address), address: m.rtcp.address }),
      },
    }),
    ...(m.feedback && {
      rtcpFb: m.feedback.map(f => ({ payload: f.payloadType, type: f.type })),
    }),
    ...(m.mid !== undefined && { mid: m.mid }),
    ...(m.ptimeMs !== undefined && { ptime: m.ptimeMs }),
    ...(m.maxptimeMs !== undefined && { maxptime: m.maxptimeMs }),
    ...(m.label !== undefined && { label: m.label }),
    ...(m.content !== undefined && { content: m.content }),
    direction: m.direction,
    ...(m.rtcpMux && { rtcpMux: 'rtcp-mux' as const }),
    ...rawSecurity(m),
  };
}

/** `next` with the version it must have after `previous` (RFC 3264 §8): one more, or the same when nothing changed. */
export function versioned(next: Sdp, previous: Sdp | undefined): Sdp {
  if (previous === undefined) return next;
  const same = { ...next, sessionId: previous.sessionId, version: previous.version };
  return writeSdp(same) === writeSdp(previous) ? previous : { ...same, version: previous.version + 1 };
}

const ipVersion = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);
