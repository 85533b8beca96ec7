import { parse, type SharedAttributes } from 'sdp-transform';
import type { CodecName, Format } from '../../contract.ts';
import { refuse } from '../../kit/refusal.ts';
import type { Fingerprint } from '../dtls/proof.ts';
import { RID } from './extensions.ts';
import type { IceCredentials } from './ice-lite.ts';
import { type MediaLine, mayBeRtp, readLayers, readRetransmissions } from './offer-video.ts';

/** A payload type of the offer that rooms can carry. */
export interface OfferedFormat {
  readonly payloadType: number;
  readonly format: Format;
  /** As in `a=rtcp-fb`: `nack`, `nack pli`, `transport-cc`. */
  readonly feedback: readonly string[];
  /** Payload type of its retransmissions (RFC 4588), where offered. */
  readonly rtx?: number;
}

export interface OfferedMedia {
  readonly mid: string;
  /** `audio`, `video`, `application`. */
  readonly kind: string;
  readonly protocol: string;
  /** Payload types as written, for the rejection of this line. */
  readonly payloads: string;
  readonly direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';
  /** In the offer's order of preference. */
  readonly formats: readonly OfferedFormat[];
  /** RTP header extensions: URI → id. */
  readonly extensions: ReadonlyMap<string, number>;
  /** Restriction ids (RFC 8851) of the simulcast streams it would send, the offerer's first one first; else empty. */
  readonly layers: readonly string[];
}

export interface WebRtcOffer {
  readonly ice: IceCredentials;
  readonly fingerprints: readonly Fingerprint[];
  readonly media: readonly OfferedMedia[];
}

const MAX_SDP_BYTES = 64 * 1024;
const MAX_LINES = 64;
const DTLS_RTP = 'UDP/TLS/RTP/SAVPF';

/** Names in SDP are case-insensitive (RFC 8866 §6.6). */
const CODECS: ReadonlyMap<string, CodecName> = new Map(
  (['opus', 'PCMU', 'PCMA', 'G722', 'H264', 'VP8'] as const).map(name => [name.toLowerCase(), name]),
);
/** RFC 3551 §6: what needs no rtpmap. */
const STATIC: ReadonlyMap<number, string> = new Map([
  [0, 'PCMU'],
  [8, 'PCMA'],
  [9, 'G722'],
]);

// sdp-transform makes numbers of whatever looks like one, whatever its types say: hence String() below.

/**
 * Reads what a browser (or any WHIP, WHEP client) offers. Throws a Refusal with a sentence when it is no SDP, or one
 * that this end cannot answer: RFC 8829 with the restrictions of RFC 9725 §4.4 (bundled, rtcp-mux, one DTLS session).
 */
export function readOffer(text: string): WebRtcOffer {
  if (text.length > MAX_SDP_BYTES) throw bad('is longer than 64 KB');
  if (!/^v=0\r?\n/.test(text)) throw bad('does not begin with v=0');
  const sdp = parse(text);
  if (sdp.media.length === 0) throw bad('has no m-line');
  if (sdp.media.length > MAX_LINES) throw bad(`has more than ${MAX_LINES} m-lines`);
  if (sdp.icelite) throw bad('says ice-lite, but this end is lite too: the client must send the checks');
  const mids = new Set<string>();
  const media = sdp.media.map((m, i): OfferedMedia => {
    const mid = String(m.mid ?? i);
    if (!/^[\w!#$%&'*+.^`{|}~-]{1,32}$/.test(mid) || mids.has(mid)) throw bad('has a bad or repeated mid');
    mids.add(mid);
    const extensions = new Map((m.ext ?? []).map(e => [String(e.uri), e.value]));
    return {
      mid,
      kind: m.type,
      protocol: m.protocol,
      payloads: String(m.payloads ?? ''),
      direction: m.direction ?? sdp.direction ?? 'sendrecv',
      formats: m.protocol === DTLS_RTP && m.port !== 0 && m.rtcpMux !== undefined ? readFormats(m) : [],
      extensions,
      layers: m.type === 'video' && extensions.has(RID) ? readLayers(m) : [],
    };
  });
  const bundle = sdp.groups?.find(g => g.type === 'BUNDLE')?.mids;
  const bundled = String(bundle ?? '').split(' ');
  const used = media.filter(m => m.formats.length > 0);
  if (used.length > 1 && !used.every(m => bundled.includes(m.mid)))
    throw bad('does not bundle its media (a=group:BUNDLE), and there is one port for all');
  // With BUNDLE every line has the same transport; the first that has it all tells it.
  const layers = [...sdp.media, sdp];
  if (layers.some(l => l.setup === 'passive'))
    throw bad('says setup:passive, but this end is passive: say actpass');
  return { ice: readIce(layers), fingerprints: readFingerprints(layers), media };
}

function readIce(layers: readonly SharedAttributes[]): IceCredentials {
  const ufrag = String(layers.find(l => l.iceUfrag !== undefined)?.iceUfrag ?? '');
  const pwd = String(layers.find(l => l.icePwd !== undefined)?.icePwd ?? '');
  // RFC 8839 §5.4.
  if (!/^[\w+/-]{4,256}$/.test(ufrag) || pwd.length < 22 || pwd.length > 256)
    throw bad('has no valid a=ice-ufrag and a=ice-pwd');
  return { ufrag, pwd };
}

const HASH_BYTES = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 } as const;

/** RFC 8122 §5. Weaker hashes than SHA-256 prove nothing and are passed over. */
function readFingerprints(layers: readonly SharedAttributes[]): Fingerprint[] {
  const found = new Map<string, Fingerprint>();
  for (const { fingerprint } of layers) {
    if (fingerprint === undefined) continue;
    const algorithm = String(fingerprint.type).toLowerCase();
    if (algorithm !== 'sha-256' && algorithm !== 'sha-384' && algorithm !== 'sha-512') continue;
    const value = String(fingerprint.hash).toUpperCase();
    if (!/^[\dA-F]{2}(:[\dA-F]{2})+$/.test(value) || value.length !== HASH_BYTES[algorithm] * 3 - 1)
      throw bad('has a malformed a=fingerprint');
    found.set(`${algorithm} ${value}`, { algorithm, value });
  }
  if (found.size === 0) throw bad('has no a=fingerprint with sha-256 or better');
  return [...found.values()];
}

function readFormats(m: MediaLine): OfferedFormat[] {
  const formats: OfferedFormat[] = [];
  const retransmissions = readRetransmissions(m);
  for (const payload of String(m.payloads ?? '').split(' ')) {
    const payloadType = Number(payload);
    if (!/^\d{1,3}$/.test(payload) || !mayBeRtp(payloadType)) continue;
    const map = m.rtp.find(r => r.payload === payloadType);
    const codec = CODECS.get(String(map?.codec ?? STATIC.get(payloadType) ?? '').toLowerCase());
    if (codec === undefined || formats.some(f => f.payloadType === payloadType)) continue;
    const fmtp = readFmtp(m.fmtp.find(f => f.payload === payloadType)?.config as unknown);
    const clockRate = map?.rate ?? 8000;
    const format: Format = {
      codec,
      clockRate,
      ...(codec === 'opus' && { channels: 2 as const }),
      ...(fmtp && { fmtp }),
    };
    if (!fits(m.type, format)) continue;
    const feedback = (m.rtcpFb ?? [])
      .filter(f => String(f.payload) === payload || String(f.payload) === '*')
      .map(f => (f.subtype ? `${f.type} ${f.subtype}` : f.type));
    const rtx = retransmissions.get(payloadType);
    formats.push({ payloadType, format, feedback, ...(rtx !== undefined && { rtx }) });
  }
  return formats;
}

/** The codec belongs on this kind of line, with the clock its RFC fixes (RFC 7587 §4.1, 3551 §4.5, 6184, 7741). */
function fits(kind: string, { codec, clockRate }: Format): boolean {
  if (codec === 'H264' || codec === 'VP8') return kind === 'video' && clockRate === 90_000;
  return kind === 'audio' && clockRate === (codec === 'opus' ? 48_000 : 8000);
}

/** `minptime=10;useinbandfec=1`: keys in lower case. */
function readFmtp(config: unknown): Record<string, string> | undefined {
  if (config === undefined) return undefined;
  const out: Record<string, string> = {};
  for (const part of String(config).split(';').slice(0, 32)) {
    const [key = '', value = ''] = part.split('=', 2).map(s => s.trim());
    if (/^[\w-]{1,64}$/.test(key) && /^[\w+/=,.-]{0,1024}$/.test(value)) out[key.toLowerCase()] = value;
  }
  return out;
}

const bad = (what: string) => refuse('client', 'bad-sdp', `The SDP offer ${what}.`);
