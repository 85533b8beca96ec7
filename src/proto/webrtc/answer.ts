import type { Fingerprint } from '../dtls/proof.ts';
import type { IceCredentials, PeerAddress } from './ice-lite.ts';
import type { OfferedFormat, OfferedMedia } from './offer.ts';

/** What is said to one m-line of the offer; undefined rejects it. */
export interface AnsweredMedia {
  readonly direction: 'recvonly' | 'sendonly';
  /** Some of the offered ones: payload types are echoed (RFC 8829 §5.3.1). */
  readonly formats: readonly OfferedFormat[];
  /** URIs of the offered header extensions to use. */
  readonly extensions: readonly string[];
  /** `a=rtcp-fb` kinds to use where offered. */
  readonly feedback: readonly string[];
  /** Retransmissions in streams of their own (RFC 4588), for the formats that were offered with one. */
  readonly rtx?: boolean;
  /** Simulcast streams to receive, of the offered ones. */
  readonly layers?: readonly string[];
  /** What we send on it. */
  readonly source?: {
    readonly ssrc: number;
    readonly rtxSsrc?: number;
    readonly cname: string;
    /** Media stream id: lines of one stream are played in sync. */
    readonly stream: string;
    /** Default: as the stream. */
    readonly track?: string;
  };
}

export interface AnswerAsk {
  /** Decimal, for the o-line. */
  readonly sessionId: string;
  readonly ice: IceCredentials;
  readonly fingerprint: Fingerprint;
  /** Where we listen, the best first. */
  readonly candidates: readonly PeerAddress[];
  readonly offered: readonly OfferedMedia[];
  readonly answered: readonly (AnsweredMedia | undefined)[];
}

/**
 * The SDP answer: ICE-lite, DTLS passive, one port, m-lines in the offer's order. Rejected lines have port 0 and stand
 * outside the bundle (RFC 9143 §7.3.3).
 */
export function writeAnswer(ask: AnswerAsk): string {
  const mids = ask.offered.filter((_, i) => ask.answered[i]).map(m => m.mid);
  const lines = [
    'v=0',
    `o=- ${ask.sessionId} 1 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=ice-lite',
    ...(mids.length > 0 ? [`a=group:BUNDLE ${mids.join(' ')}`] : []),
    'a=msid-semantic: WMS *',
  ];
  for (const [i, offered] of ask.offered.entries()) {
    const answered = ask.answered[i];
    lines.push(...(answered ? acceptedLines(ask, offered, answered) : rejectedLines(offered)));
  }
  return `${lines.join('\r\n')}\r\n`;
}

const rejectedLines = (m: OfferedMedia): string[] => [
  `m=${m.kind} 0 ${m.protocol} ${m.payloads}`,
  'c=IN IP4 0.0.0.0',
  `a=mid:${m.mid}`,
  'a=inactive',
];

function acceptedLines(ask: AnswerAsk, offered: OfferedMedia, m: AnsweredMedia): string[] {
  const rtx = m.rtx === true;
  const payloads = m.formats.flatMap(f => [f.payloadType, ...(rtx && f.rtx !== undefined ? [f.rtx] : [])]);
  return [
    `m=${offered.kind} 9 ${offered.protocol} ${payloads.join(' ')}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${offered.mid}`,
    ...iceLines(ask.ice),
    `a=fingerprint:${ask.fingerprint.algorithm} ${ask.fingerprint.value}`,
    'a=setup:passive',
    'a=rtcp-mux',
    'a=rtcp-rsize',
    `a=${m.direction}`,
    ...m.extensions.flatMap(uri => {
      const id = offered.extensions.get(uri);
      return id === undefined ? [] : [`a=extmap:${id} ${uri}`];
    }),
    ...m.formats.flatMap(f => formatLines(f, m.feedback, rtx)),
    ...layerLines(m.layers ?? []),
    ...(m.source ? sourceLines(m.source) : []),
    ...candidateLines(ask.candidates),
  ];
}

/** RFC 8851, RFC 8853. */
const layerLines = (layers: readonly string[]): string[] =>
  layers.length === 0
    ? []
    : [...layers.map(rid => `a=rid:${rid} recv`), `a=simulcast:recv ${layers.join(';')}`];

/** RFC 5576; the group ties retransmissions to their source (RFC 4588 §8.8 by SSRC). */
function sourceLines(source: NonNullable<AnsweredMedia['source']>): string[] {
  const { ssrc, rtxSsrc, cname, stream, track = stream } = source;
  const ssrcs = rtxSsrc === undefined ? [ssrc] : [ssrc, rtxSsrc];
  return [
    `a=msid:${stream} ${track}`,
    ...(rtxSsrc === undefined ? [] : [`a=ssrc-group:FID ${ssrc} ${rtxSsrc}`]),
    ...ssrcs.flatMap(s => [`a=ssrc:${s} cname:${cname}`, `a=ssrc:${s} msid:${stream} ${track}`]),
  ];
}

function formatLines(
  { payloadType, format, feedback, rtx }: OfferedFormat,
  use: readonly string[],
  useRtx: boolean,
): string[] {
  const { codec, clockRate, channels } = format;
  const fmtp = format.fmtp && Object.entries(format.fmtp).map(([k, v]) => (v === '' ? k : `${k}=${v}`));
  return [
    `a=rtpmap:${payloadType} ${codec}/${clockRate}${channels === 2 ? '/2' : ''}`,
    ...(fmtp && fmtp.length > 0 ? [`a=fmtp:${payloadType} ${fmtp.join(';')}`] : []),
    ...feedback.filter(f => use.includes(f)).map(f => `a=rtcp-fb:${payloadType} ${f}`),
    ...(useRtx && rtx !== undefined
      ? [`a=rtpmap:${rtx} rtx/${clockRate}`, `a=fmtp:${rtx} apt=${payloadType}`]
      : []),
  ];
}

const iceLines = (ice: IceCredentials): string[] => [`a=ice-ufrag:${ice.ufrag}`, `a=ice-pwd:${ice.pwd}`];

/** RFC 8839 §5.1; priorities by RFC 8445 §5.1.2.1: host candidates (126), in our order, component 1. */
const candidateLines = (candidates: readonly PeerAddress[]): string[] => [
  ...candidates.map(({ address, port }, i) => {
    const priority = 126 * 2 ** 24 + (65_535 - i) * 256 + 255;
    return `a=candidate:${i + 1} 1 udp ${priority} ${address} ${port} typ host`;
  }),
  'a=end-of-candidates',
];

/** The answer to an ICE restart over HTTP: RFC 9725 §4.3.3, RFC 8840 §9. */
export function writeFragment(
  ice: IceCredentials,
  candidates: readonly PeerAddress[],
  lines: readonly { readonly kind: string; readonly mid: string }[],
): string {
  const first = lines[0];
  return `${[
    'a=ice-lite',
    `a=group:BUNDLE ${lines.map(l => l.mid).join(' ')}`,
    ...(first ? [`m=${first.kind} 9 UDP/TLS/RTP/SAVPF 0`, `a=mid:${first.mid}`] : []),
    ...iceLines(ice),
    ...candidateLines(candidates),
  ].join('\r\n')}\r\n`;
}

/** The credentials a client says in a PATCH; undefined when it says none that are valid (RFC 8839 §5.4). */
export function readFragment(text: string): IceCredentials | undefined {
  const ufrag = /^a=ice-ufrag:([\w+/-]{4,256})\r?$/m.exec(text)?.[1];
  const pwd = /^a=ice-pwd:([\w+/-]{22,256})\r?$/m.exec(text)?.[1];
  return ufrag !== undefined && pwd !== undefined ? { ufrag, pwd } : undefined;
}
